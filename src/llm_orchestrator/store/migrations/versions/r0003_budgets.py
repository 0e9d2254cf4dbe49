"""Budgets, approvals, feedback, what was learned and found, and more of cached replies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.Text().with_variant(JSONB(), "postgresql")


def _text(name: str, *, null: bool = True, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null and not key, primary_key=key)


def _int(name: str, *, null: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _zero(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    """Budgets, approvals, feedback, what was learned and found, and more of cached replies."""
    false = sa.text("false")
    op.add_column("calls", sa.Column("cache_hit", sa.Boolean, nullable=False, server_default=false))
    op.add_column("calls", _int("saved_pico"))
    op.add_column("calls", _text("features"))
    op.add_column("attempts", _text("key_id"))
    op.add_column("ai_cache", sa.Column("tenant", sa.Text, nullable=False, server_default=""))
    for column in (_text("provider"), _text("model"), _int("cost_pico"), _int("last_hit_at")):
        op.add_column("ai_cache", column)
    _budgets()
    _approvals()
    op.create_table(
        "feedback",
        _text("call_id", key=True),
        _int("at", null=False),
        sa.Column("verdict", sa.Float, nullable=False),
        *map(_text, ("note", "category", "model", "features")),
    )
    op.create_index("feedback_at", "feedback", ["at"])
    op.create_table(
        "routing_models",
        _text("name", key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("labels", sa.Integer, nullable=False, server_default=sa.text("0")),
        _int("updated_at", null=False),
    )
    op.create_table(
        "discovered_models",
        _text("provider", key=True),
        _text("account", key=True),
        sa.Column("models", _JSON, nullable=False),
        _int("found_at", null=False),
    )


def _budgets() -> None:
    op.create_table(
        "budgets",
        _text("budget_id", key=True),
        _text("scope", null=False),
        sa.Column("subject", sa.Text, nullable=False, server_default=""),
        _text("period", null=False),
        sa.Column("zone", sa.Text, nullable=False, server_default="UTC"),
        _int("cap_pico", null=False),
        _text("alerts"),
        _int("created_at", null=False),
        _int("updated_at", null=False),
        sa.UniqueConstraint("scope", "subject", "period"),
    )
    op.create_table(
        "budget_windows",
        _text("budget_id", key=True),
        _text("window_key", key=True),
        _zero("spent_pico"),
        _zero("held_pico"),
        _zero("unknown_pico"),
        _int("updated_at", null=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_holds",
        _text("attempt_id", key=True),
        _text("windows", null=False),
        _int("hold_pico", null=False),
        sa.Column("unknown", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_alerts",
        _text("budget_id", key=True),
        _text("window_key", key=True),
        sa.Column("share", sa.Integer, primary_key=True, nullable=False),
        _int("spent_pico", null=False),
        _int("cap_pico", null=False),
        _int("reached_at", null=False),
        _text("executor_id"),
        _int("delivered_at"),
    )


def _approvals() -> None:
    op.create_table(
        "approvals",
        _text("ticket_id", key=True),
        _text("status", null=False),
        _text("digest", null=False),
        *map(_text, ("provider", "model")),
        *map(_int, ("expected_pico", "most_pico")),
        _text("user_id"),
        sa.Column("category", sa.Text, nullable=False, server_default="orchestration"),
        _text("tags"),
        _int("created_at", null=False),
        _int("expires_at", null=False),
        _int("decided_at"),
        *map(_text, ("decided_by", "note", "call_id")),
    )
    op.create_index("approvals_status", "approvals", ["status", "created_at"])
