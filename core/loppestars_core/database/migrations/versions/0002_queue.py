"""The job queue's tables and functions, by procrastinate's own migrations.

Revision: 0002, after 0001.
"""

from contextlib import closing
from importlib.resources import files

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

# Newer files of the library are applied by a migration of ours, so that a library update never changes this one.
LAST_FILE = "03.04.00_50_post_add_retry_failed_job_procedure.sql"


def upgrade() -> None:
    """Apply the library's files up to `LAST_FILE`, in their order."""
    folder = files("procrastinate.sql.migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    # The driver's own cursor sends a file as it is: many statements at once, and a percent sign is no placeholder.
    with closing(op.get_bind().connection.cursor()) as cursor:
        for name in names:
            if name <= LAST_FILE:
                cursor.execute((folder / name).read_text())
