"""Executors, workflows and the reply cache."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.Text().with_variant(JSONB(), "postgresql")
_USD = sa.Text().with_variant(sa.Numeric(30, 12), "postgresql")


def upgrade() -> None:
    """Executors, workflows and the reply cache."""
    op.create_table(
        "executors",
        sa.Column("executor_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("boot", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("born", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_table(
        "ai_workflows",
        sa.Column("workflow_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("definition", _JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="draft"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("name", "version"),
    )
    op.create_table(
        "ai_workflow_runs",
        sa.Column("run_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("steps", _JSON, nullable=False),
        sa.Column("total_cost_usd", _USD),
        sa.Column("total_latency_ms", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index(
        "ai_workflow_runs_workflow_id", "ai_workflow_runs", ["workflow_id", "started_at"]
    )
    op.create_index("ai_workflow_runs_user_id", "ai_workflow_runs", ["user_id", "started_at"])
    op.create_table(
        "ai_cache",
        sa.Column("request_hash", sa.Text, primary_key=True, nullable=False),
        sa.Column("response_body", _JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("hit_count", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    op.create_index("ai_cache_expires_at", "ai_cache", ["expires_at"])
