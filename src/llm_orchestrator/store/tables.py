"""The schema, in SQLAlchemy Core. Read by `tools/build_sql.py` and the tests, never at run time.

The ledger is append-only: `attempts` holds intents, `settlements` outcomes, `calls` ends of calls.
Money is in 10**-12 USD, times are unix microseconds. Views are text, as the two databases differ.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

HEAD = "0002"
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

_JSON = Text().with_variant(JSONB(), "postgresql")
_USD = Text().with_variant(Numeric(30, 12), "postgresql")  # SQLite would make a float of it

ai_workflows = Table(
    "ai_workflows",
    metadata,
    Column("workflow_id", Text, primary_key=True, nullable=False),
    _text("name", null=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("definition", _JSON, nullable=False),
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
    Column("steps", _JSON, nullable=False),
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
    Column("response_body", _JSON, nullable=False),
    _int("created_at", null=False),
    _int("expires_at"),
    Column("hit_count", Integer, nullable=False, server_default=text("0")),
    Index("ai_cache_expires_at", "expires_at"),
)
