"""Sources as rows, the log of a run, markets in quarantine, and what a source cost.

Revision: 0018, after 0015.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0015"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_TYPES = "type IN ('markedskalenderen', 'loppemarkeder', 'jsonld', 'microdata', 'ics')"


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def _number(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("start_urls", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("schedule", sa.Text, nullable=True),
        sa.Column("enabled", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("rank", sa.Integer, server_default=sa.text("100"), nullable=False),
        sa.Column("delay_seconds", sa.Double, nullable=True),
        sa.Column("max_pages", sa.Integer, nullable=True),
        sa.Column("managed_by", sa.Text, server_default="settings", nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
        sa.CheckConstraint(_TYPES, name=op.f("ck_sources_type_is_known")),
        sa.CheckConstraint("managed_by IN ('settings', 'admin')", name=op.f("ck_sources_manager_is_known")),
    )
    op.create_table(
        "crawl_events",
        *_number("crawl_events"),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.Text, nullable=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", postgresql.JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        _moment("created_at"),
        sa.ForeignKeyConstraint(["run_id"], ["crawl_runs.id"], name=op.f("fk_crawl_events_run_id"), ondelete="CASCADE"),
    )
    op.create_index("ix_crawl_events_run_id", "crawl_events", ["run_id", "id"])
    op.create_table(
        "crawl_quarantine",
        *_number("crawl_quarantine"),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("raw", postgresql.JSONB, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=True),
        _moment("created_at"),
        _moment("last_seen_at"),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["crawl_runs.id"], name=op.f("fk_crawl_quarantine_run_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["released_by"], ["users.id"], name=op.f("fk_crawl_quarantine_released_by"), ondelete="SET NULL"
        ),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_crawl_quarantine_source_external_id")),
    )
    for name, kind in (("pages", sa.Integer), ("bytes", sa.BigInteger), ("fetch_seconds", sa.Double)):
        op.add_column("crawl_sources", sa.Column(name, kind, server_default=sa.text("0"), nullable=False))
    op.add_column("crawl_sources", sa.Column("quarantined", sa.Integer, server_default=sa.text("0"), nullable=False))
