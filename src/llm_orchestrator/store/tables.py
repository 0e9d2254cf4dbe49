"""The schema, in SQLAlchemy Core. Read by `tools/build_sql.py` and the tests, never at run time.

The ledger is append-only: `attempts` holds intents, `settlements` outcomes, `calls` ends of calls.
Money is in 10**-12 USD, times are unix microseconds. Views are text, as the two databases differ.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

HEAD = "0004"
"""The newest revision in `migrations/versions`."""

metadata = MetaData()


def _text(name: str, *, null: bool = True) -> Column[str]:
    return Column(name, Text, nullable=null)


def _int(name: str, *, null: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _bool(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _category() -> Column[str]:
    return Column("category", Text, nullable=False, server_default="orchestration")


attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Text, primary_key=True, nullable=False),
    _text("call_id", null=False),
    _text("session_id"),
    Column("number", Integer, nullable=False, server_default=text("1")),
    _text("provider", null=False),
    _text("model", null=False),
    _int("started_at", null=False),
    _int("hold_pico"),
    _text("price_version"),
    Column("executor_id", Text, nullable=False, server_default=""),
    _category(),
    _text("strategy"),
    _text("user_id"),
    _text("tags"),
    _text("key_id"),
    Index("attempts_started_at", "started_at"),
)

settlements = Table(
    "settlements",
    metadata,
    Column("attempt_id", Text, primary_key=True, nullable=False),
    _text("status", null=False),
    _text("error"),
    Column("status_code", Integer),
    _text("request_id"),
    _int("input_tokens"),
    _int("output_tokens"),
    _int("cache_read_tokens"),
    _int("cache_write_tokens"),
    _int("cache_write_1h_tokens"),
    _int("reasoning_tokens"),
    _bool("usage_estimated"),
    _int("cost_pico"),
    Column("cost_source", Text, nullable=False, server_default="unknown"),
    _int("ended_at", null=False),
    _int("first_token_us"),
    _int("latency_us", null=False),
)

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True, nullable=False),
    _text("session_id"),
    _int("started_at", null=False),
    _int("ended_at", null=False),
    _text("status", null=False),
    _text("provider"),
    _text("model"),
    _text("requested_model"),
    _int("input_tokens"),
    _int("output_tokens"),
    _int("cache_read_tokens"),
    _int("cache_write_tokens"),
    _int("reasoning_tokens"),
    _int("cost_pico"),
    _int("latency_us", null=False),
    _int("first_token_us"),
    _category(),
    _text("strategy"),
    _text("user_id"),
    _text("tags"),
    _bool("stream"),
    _bool("fallback_used"),
    _text("routing_decision"),
    _text("error"),
    _text("request_body"),
    _text("response_body"),
    _bool("cache_hit"),
    _int("saved_pico"),
    _text("features"),
    Index("calls_started_at", "started_at"),
    Index("calls_provider", "provider", "started_at"),
    # Partial, because most calls have no user and succeed: an index costs a microsecond a row.
    Index(
        "calls_user_id",
        "user_id",
        "started_at",
        sqlite_where=text("user_id IS NOT NULL"),
        postgresql_where=text("user_id IS NOT NULL"),
    ),
    Index(
        "calls_status",
        "status",
        "started_at",
        sqlite_where=text("status <> 'ok'"),
        postgresql_where=text("status <> 'ok'"),
    ),
)

LEDGER = (attempts, settlements, calls)
"""The tables of `rows`, in the order in which a call writes them."""

executors = Table(
    "executors",
    metadata,
    Column("executor_id", Text, primary_key=True, nullable=False),
    _text("host", null=False),
    _text("boot", null=False),
    Column("pid", Integer, nullable=False),
    _text("born", null=False),
    _int("started_at", null=False),
    _int("seen_at", null=False),
    _int("ended_at"),
)
"""One row per writing process, so that a later one can tell whose attempts nobody will settle."""

JSON = Text().with_variant(JSONB(), "postgresql")
_USD = Text().with_variant(Numeric(30, 12), "postgresql")  # SQLite would make a float of it

ai_workflows = Table(
    "ai_workflows",
    metadata,
    Column("workflow_id", Text, primary_key=True, nullable=False),
    _text("name", null=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("definition", JSON, nullable=False),
    Column("status", Text, nullable=False, server_default="draft"),
    _int("created_at", null=False),
    _int("updated_at", null=False),
    UniqueConstraint("name", "version"),
)

ai_workflow_runs = Table(
    "ai_workflow_runs",
    metadata,
    Column("run_id", Text, primary_key=True, nullable=False),
    _text("workflow_id", null=False),
    _text("user_id"),
    _text("status", null=False),
    Column("steps", JSON, nullable=False),
    Column("total_cost_usd", _USD),
    _int("total_latency_ms"),
    _int("started_at", null=False),
    _int("ended_at"),
    Index("ai_workflow_runs_workflow_id", "workflow_id", "started_at"),
    Index("ai_workflow_runs_user_id", "user_id", "started_at"),
)

ai_cache = Table(
    "ai_cache",
    metadata,
    Column("request_hash", Text, primary_key=True, nullable=False),
    Column("response_body", JSON, nullable=False),
    _int("created_at", null=False),
    _int("expires_at"),
    Column("hit_count", Integer, nullable=False, server_default=text("0")),
    Column("tenant", Text, nullable=False, server_default=""),
    _text("provider"),
    _text("model"),
    _int("cost_pico"),
    _int("last_hit_at"),
    Index("ai_cache_expires_at", "expires_at"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("budget_id", Text, primary_key=True, nullable=False),
    _text("scope", null=False),
    Column("subject", Text, nullable=False, server_default=""),
    _text("period", null=False),
    Column("zone", Text, nullable=False, server_default="UTC"),
    _int("cap_pico", null=False),
    _text("alerts"),
    _int("created_at", null=False),
    _int("updated_at", null=False),
    UniqueConstraint("scope", "subject", "period"),
)
"""What may be spent: by whom (``scope`` and ``subject``), and in which period."""

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("budget_id", Text, primary_key=True, nullable=False),
    Column("window_key", Text, primary_key=True, nullable=False),
    Column("spent_pico", BigInteger, nullable=False, server_default=text("0")),
    Column("held_pico", BigInteger, nullable=False, server_default=text("0")),
    Column("unknown_pico", BigInteger, nullable=False, server_default=text("0")),
    _int("updated_at", null=False),
    sqlite_with_rowid=False,  # half the pages, which every commit pays for
)
"""What was spent and is held of a budget in one of its periods (``2026-11``, ``2026-11-20``).

Where a budget caps each subject apart, the key ends in the subject: ``2026-11/ana``. Spent includes
``unknown_pico``, the holds of attempts whose cost nobody knows.
"""

budget_holds = Table(
    "budget_holds",
    metadata,
    Column("attempt_id", Text, primary_key=True, nullable=False),
    _text("windows", null=False),
    _int("hold_pico", null=False),
    _bool("unknown"),
    sqlite_with_rowid=False,
)
"""What an attempt that is not settled holds in each of its windows (lines of budget and window
key); gone when it is.

One of unknown cost stays, and counts as spent, until somebody knows better.
"""

budget_alerts = Table(
    "budget_alerts",
    metadata,
    Column("budget_id", Text, primary_key=True, nullable=False),
    Column("window_key", Text, primary_key=True, nullable=False),
    Column("share", Integer, primary_key=True, nullable=False),
    _int("spent_pico", null=False),
    _int("cap_pico", null=False),
    _int("reached_at", null=False),
    _text("executor_id"),
    _int("delivered_at"),
)
"""Shares of a budget, in percent, that were reached; each is told once, by ``executor_id``."""

approvals = Table(
    "approvals",
    metadata,
    Column("ticket_id", Text, primary_key=True, nullable=False),
    _text("status", null=False),
    _text("digest", null=False),
    _text("provider"),
    _text("model"),
    _int("expected_pico"),
    _int("most_pico"),
    _text("user_id"),
    _category(),
    _text("tags"),
    _int("created_at", null=False),
    _int("expires_at", null=False),
    _int("decided_at"),
    _text("decided_by"),
    _text("note"),
    _text("call_id"),
    Index("approvals_status", "status", "created_at"),
)
"""Calls that wait for somebody's consent, or had it."""

feedback = Table(
    "feedback",
    metadata,
    Column("call_id", Text, primary_key=True, nullable=False),
    _int("at", null=False),
    Column("verdict", Float, nullable=False),
    _text("note"),
    _text("category"),
    _text("model"),
    _text("features"),
    Index("feedback_at", "at"),
)
"""What users say of answers: 0 is bad, 1 is good. ``features`` are hashes, never text."""

routing_models = Table(
    "routing_models",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("labels", Integer, nullable=False, server_default=text("0")),
    _int("updated_at", null=False),
)
"""What was learned from feedback, as bytes."""

discovered_models = Table(
    "discovered_models",
    metadata,
    Column("provider", Text, primary_key=True, nullable=False),
    Column("account", Text, primary_key=True, nullable=False),
    Column("models", JSON, nullable=False),
    _int("found_at", null=False),
)
"""The providers' own model lists; ``account`` is a digest of address and key."""
