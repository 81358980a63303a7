"""Postponed markets; what a crawl of a source covered; a crawl that accepts fewer markets.

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_CALLED_OFF = "state IN ('cancelled', 'postponed')"
_STATES = "state IN ('scheduled', 'cancelled', 'postponed', 'vanished')"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_markets_state_is_known"), "markets", type_="check")
    op.create_check_constraint(op.f("ck_markets_state_is_known"), "markets", _STATES)
    op.create_index("ix_markets_called_off", "markets", ["start_date"], postgresql_where=sa.text(_CALLED_OFF))
    op.drop_index("ix_markets_cancelled", "markets")
    op.add_column("crawl_runs", sa.Column("accept_shrink", sa.Boolean, server_default=sa.text("false"), nullable=False))
    coverage = postgresql.JSONB(astext_type=sa.Text(), none_as_null=True)
    op.add_column("crawl_sources", sa.Column("coverage", coverage, nullable=True))
    op.add_column(
        "crawl_sources",
        sa.Column("warnings", postgresql.ARRAY(sa.Text), server_default=sa.text("'{}'"), nullable=False),
    )
