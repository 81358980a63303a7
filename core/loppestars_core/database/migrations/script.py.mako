"""${message}

Revision: ${up_revision}, after ${down_revision or "nothing"}.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

# The oldest release that can serve the schema after this migration (see `migrate.py`).
oldest_compatible = "0.1.0"


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
