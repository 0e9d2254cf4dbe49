"""Attempts, settlements and calls."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Attempts, settlements and calls."""
    op.create_table(
        "attempts",
        sa.Column("attempt_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("number", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("hold_pico", sa.BigInteger),
        sa.Column("price_version", sa.Text),
        sa.Column("executor_id", sa.Text, nullable=False, server_default=""),
        sa.Column("category", sa.Text, nullable=False, server_default="orchestration"),
        sa.Column("strategy", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("tags", sa.Text),
    )
    op.create_index("attempts_started_at", "attempts", ["started_at"])
    op.create_table(
        "settlements",
        sa.Column("attempt_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("status_code", sa.Integer),
        sa.Column("request_id", sa.Text),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("cache_write_1h_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("usage_estimated", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("cost_pico", sa.BigInteger),
        sa.Column("cost_source", sa.Text, nullable=False, server_default="unknown"),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("first_token_us", sa.BigInteger),
        sa.Column("latency_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("requested_model", sa.Text),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("cost_pico", sa.BigInteger),
        sa.Column("latency_us", sa.BigInteger, nullable=False),
        sa.Column("first_token_us", sa.BigInteger),
        sa.Column("category", sa.Text, nullable=False, server_default="orchestration"),
        sa.Column("strategy", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("stream", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("fallback_used", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("routing_decision", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("request_body", sa.Text),
        sa.Column("response_body", sa.Text),
    )
    op.create_index("calls_started_at", "calls", ["started_at"])
    op.create_index("calls_provider", "calls", ["provider", "started_at"])
    op.create_index(
        "calls_user_id",
        "calls",
        ["user_id", "started_at"],
        sqlite_where=sa.text("user_id IS NOT NULL"),
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_index(
        "calls_status",
        "calls",
        ["status", "started_at"],
        sqlite_where=sa.text("status <> 'ok'"),
        postgresql_where=sa.text("status <> 'ok'"),
    )
