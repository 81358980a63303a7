"""Which listings are one market: what admins decided, and what was decided by itself.

Revision: 0019, after 0018.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_ASKED = sa.text("revoked_at IS NULL AND NOT automatic")


def upgrade() -> None:
    text = sa.Text()
    op.create_table(
        "market_decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("market_id", sa.Uuid(), nullable=False),
        sa.Column("other_market_id", sa.Uuid(), nullable=True),
        sa.Column("keys", postgresql.ARRAY(text), nullable=False),
        sa.Column("other_keys", postgresql.ARRAY(text), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("reasons", postgresql.ARRAY(text), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("made_by", text, nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('same', 'different', 'split')", name=op.f("ck_market_decisions_kind_is_known")),
        sa.ForeignKeyConstraint(
            ["made_by"], ["users.id"], name=op.f("fk_market_decisions_made_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_decisions")),
    )
    for column in ("market_id", "other_market_id"):
        op.create_index(f"ix_market_decisions_{column}", "market_decisions", [column])
    for column in ("keys", "other_keys"):
        op.create_index(
            f"ix_market_decisions_{column}",
            "market_decisions",
            [column],
            postgresql_using="gin",
            postgresql_where=_ASKED,
        )
