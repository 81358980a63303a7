"""Cancelled markets are found by their day.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"


def upgrade() -> None:
    op.create_index("ix_markets_cancelled", "markets", ["start_date"], postgresql_where=sa.text("state = 'cancelled'"))
