"""Blocks of sightings: which of them a new listing is compared with.

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_CURRENT = "superseded_at IS NULL"


def upgrade() -> None:
    op.add_column("market_sightings", sa.Column("blocks", postgresql.ARRAY(sa.Integer), nullable=True))
    op.create_index(
        "ix_market_sightings_blocks",
        "market_sightings",
        ["blocks"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text(_CURRENT),
    )
    op.create_index(
        "ix_market_sightings_without_blocks",
        "market_sightings",
        ["market_id"],
        postgresql_where=sa.text(f"blocks IS NULL AND {_CURRENT}"),
    )
