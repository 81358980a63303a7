"""Run by Alembic for each command; the connection comes from `migrate.py`, never from a configuration file."""

from alembic import context
from sqlalchemy import Connection


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
