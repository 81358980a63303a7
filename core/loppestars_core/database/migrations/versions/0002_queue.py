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


# Which files are applied, while this migration runs; it is dropped at the end.
PROGRESS = "loppestars_queue_files"


def upgrade() -> None:
    """Apply the library's files up to `LAST_FILE`, in their order.

    Each file is a transaction of its own: before PostgreSQL 17 a value added to an enum type cannot be used until it
    is committed, and later files use such values. What is applied is noted with it, so that a migration that was
    killed goes on where it stopped.
    """
    folder = files("procrastinate.sql.migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    # The driver's own cursor sends a file as it is: many statements at once, and a percent sign is no placeholder.
    with op.get_context().autocommit_block(), closing(op.get_bind().connection.cursor()) as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {PROGRESS} (name text PRIMARY KEY)")
        cursor.execute(f"SELECT name FROM {PROGRESS}")  # noqa: S608 - a constant
        applied = {row[0] for row in cursor.fetchall()}
        for name in names:
            if name <= LAST_FILE and name not in applied:
                note = f"INSERT INTO {PROGRESS} VALUES ('{name}')"  # noqa: S608 - names of the library's files
                cursor.execute(f"BEGIN;\n{(folder / name).read_text()}\n;{note};\nCOMMIT")
    op.execute(f"DROP TABLE {PROGRESS}")
