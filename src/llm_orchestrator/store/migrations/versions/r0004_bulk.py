"""Bulk runs: their items, batches, jobs, nights, upkeep, alerts, callbacks and estimates."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TYPES: dict[str, Any] = {
    "": sa.Text(),
    "int": sa.BigInteger(),
    "small": sa.Integer(),
    "flag": sa.Boolean(),
    "bytes": sa.LargeBinary(),
    "json": sa.Text().with_variant(JSONB(), "postgresql"),
}
_TABLES = {
    "bulk_runs": (
        "run_id* name state! spec:json! out input_digest cap_pico:int created_at:int! "
        "started_at:int deadline_at:int ended_at:int priority:small=5 items:int "
        "rejects:int owner owner_until:int decisions:json estimate:json error user_id "
        "tags"
    ),
    "bulk_items": (
        "run_id* item_no:int* task! user_id! digest! row:bytes! state:small=0 "
        "round:small=0 provider model work_id result:bytes error input_tokens:int "
        "output_tokens:int cache_read_tokens:int cost_pico:int repaired:flag"
    ),
    "bulk_batches": (
        "work_id* run_id! task! provider! model! account! lane! state! round:small=0 "
        "send_no:small=0 sending_at:int sending_real:int gate proof tag! prefix! past path "
        "size:int sha256 file_id batch_id mark hours:small=24 count:int! embeds:flag "
        "max_tokens:int reserved:flag done:int failed:int strange:int provider_state "
        "created_at:int! "
        "sent_at:int next_at:int ended_at:int collected_at:int cancel_at:int cancel_why "
        "expected_pico:int hold_pico:int cost_pico:int realtime_pico:int unknown:int "
        "unknown_pico:int input_tokens:int output_tokens:int owner owner_until:int error"
    ),
    "bulk_jobs": (
        "job_id* job_type! provider! data:json! priority:small=5 state! queued_at:int! "
        "started_at:int ended_at:int run_id item_no:int result:json error"
    ),
    "bulk_nights": (
        "schedule* local_date* begun_at:int! ended_at:int owner owner_until:int jobs:int"
    ),
    "bulk_upkeep": "name* owner owner_until:int done_real:int done_at:int told:json",
    "bulk_alerts": (
        "name* subject* severity! action! message! raised_at:int! told_until:int "
        "delivered_at:int resolved_at:int"
    ),
    "bulk_callbacks": (
        "callback_id* run_id! kind! target! body:json! tries:small=0 next_at:int! "
        "delivered_at:int error"
    ),
    "bulk_estimates": (
        "run_id* task* provider* model* task_digest! items:int! input_tokens:int! "
        "output_tokens:int! expected_pico:int actual_items:int actual_input:int "
        "actual_output:int actual_pico:int at:int!"
    ),
}
"""Columns: ``*`` is of the key, ``!`` is never null, ``=`` gives a default."""
_INDEXES = (
    ("bulk_runs_state", "bulk_runs", ["state", "priority"]),
    ("bulk_items_work", "bulk_items", ["work_id"]),
    ("bulk_batches_account", "bulk_batches", ["account", "state"]),
    ("bulk_batches_next", "bulk_batches", ["state", "next_at"]),
    ("bulk_batches_run", "bulk_batches", ["run_id", "state"]),
    ("bulk_jobs_queue", "bulk_jobs", ["state", "priority", "queued_at"]),
    ("bulk_jobs_run", "bulk_jobs", ["run_id"]),
    ("bulk_callbacks_next", "bulk_callbacks", ["delivered_at", "next_at"]),
    ("bulk_estimates_task", "bulk_estimates", ["task_digest", "at"]),
)


def upgrade() -> None:
    """Make the tables of bulk runs."""
    for name, words in _TABLES.items():
        op.create_table(name, *map(_column, words.split()))
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
    op.create_index("bulk_batches_gate", "bulk_batches", ["gate"], unique=True)
    for name, state in (("failed", 3), ("waiting", 0)):
        where = sa.text(f"state = {state}")
        op.create_index(
            f"bulk_items_{name}",
            "bulk_items",
            ["run_id", "item_no"],
            sqlite_where=where,
            postgresql_where=where,
        )


def _column(word: str) -> sa.Column[Any]:
    key, needed = word.endswith("*"), word.endswith(("*", "!"))
    name, _, kind = word.rstrip("*!").partition(":")
    kind, _, default = kind.partition("=")
    if kind == "flag":
        default = "false"
    given = sa.text(default) if default else None
    return sa.Column(
        name,
        _TYPES[kind],
        primary_key=key,
        nullable=not (needed or default),
        server_default=given,
    )
