"""Postal codes among the terms of search, so that places are found by their codes.

Revision: 0011, after 0010.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"


def upgrade() -> None:
    op.execute(
        "UPDATE markets SET search_terms = search_terms || array_to_tsvector(ARRAY['@' || postal_code])"
        " WHERE postal_code ~ '^[0-9]{4}$'"
    )
