"""Run by Alembic for each command; the connection comes from `migrate.py`, never from a configuration file."""

from alembic import context
from sqlalchemy import Connection

from loppestars_core.database.migrations.env_filter import is_ours
from loppestars_core.database.registry import Base


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=lambda name, kind, _parents: is_ours(name, kind),
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
