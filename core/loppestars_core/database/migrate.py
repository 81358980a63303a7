"""`loppestars-migrate`: bring the database to this release's schema, forward only.

Several may run at once (one waits for the other), and each migration is one transaction: a killed one leaves nothing
half done. A database that a newer release has migrated is fine while this release is still compatible with it:
then nothing is changed and the exit code is 0, which is what makes rolling back the images safe.
"""

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import structlog
import typer
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from packaging.version import Version as Release
from psycopg.conninfo import conninfo_to_dict
from pydantic import BeforeValidator, Field, SecretStr
from sqlalchemy import Connection, Engine, create_engine, inspect, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import acting_for_the_system, connection_arguments
from loppestars_core.database.grants import COMPONENTS, RoleMissing, grant
from loppestars_core.database.releases import SchemaRelease
from loppestars_core.kit.cli import Json, Local, Version, epilog, run, show, single
from loppestars_core.kit.logging import configure_logging, redact_text
from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings, describe, load_settings

log = structlog.get_logger(__name__)

# Any constant serves: it only has to differ from the other advisory locks of the product.
MIGRATION_LOCK: Final = 0x10995_0001
MIN_POSTGRES: Final = 15
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class IncompatibleSchema(RuntimeError):
    """The database is newer than this release can serve."""


class ServerTooOld(RuntimeError):
    """The server lacks what the schema needs."""


def _role_name(value: object) -> object:
    """Return a role's name; of a PostgreSQL URL, the user in it."""
    if isinstance(value, str) and value.startswith(("postgres://", "postgresql://")):
        user = conninfo_to_dict(value).get("user")
        if not user:
            raise ValueError("the URL names no user")
        return user
    return value


# A secret, because it may be a URL with a password.
RoleName = Annotated[SecretStr | None, BeforeValidator(_role_name)]


class MigrateSettings(DatabaseSettings, ComponentSettings):
    """`loppestars-migrate` needs the database, and the names of the components' roles where they have some."""

    api_role: RoleName = Field(None, description="role of the API that is granted what it needs: its name, or its URL")
    imaging_role: RoleName = Field(None, description="likewise the role of imaging")
    crawler_role: RoleName = Field(None, description="likewise the role of the crawler")
    jobs_role: RoleName = Field(None, description="likewise the role of loppestars-jobs")

    @property
    def roles(self) -> dict[str, str]:
        """The configured roles by component."""
        named = {component: getattr(self, f"{component}_role") for component in COMPONENTS}
        return {component: role.get_secret_value() for component, role in named.items() if role}


def migration_engine(url: str) -> Engine:
    arguments = {**acting_for_the_system(connection_arguments(url)), "application_name": "loppestars-migrate"}
    return create_engine("postgresql+psycopg://", connect_args=arguments, poolclass=NullPool)


def alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def check_server(connection: Connection) -> None:
    """Raise `ServerTooOld` for a PostgreSQL without UNIQUE NULLS NOT DISTINCT, which the ratings need."""
    found = int((connection.dialect.server_version_info or (0,))[0])
    if found < MIN_POSTGRES:
        raise ServerTooOld(f"PostgreSQL {MIN_POSTGRES} or newer is needed; this server is {found}")


def migrate(connection: Connection) -> list[str]:
    """Apply what is missing; return the revisions applied, oldest first.

    Raises:
        ServerTooOld: the server is older than PostgreSQL 15; nothing was changed.
        IncompatibleSchema: a newer release migrated the database beyond what this one can serve.
    """
    check_server(connection)
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
    connection.commit()
    try:
        return _migrate_locked(connection)
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.commit()


def _migrate_locked(connection: Connection) -> list[str]:
    scripts = ScriptDirectory.from_config(alembic_config())
    known = {script.revision: script for script in scripts.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    if current is not None and current not in known:
        _check_compatible(connection, current)
        return []
    applied_before = _applied(connection)
    # A migration that waits long for a table lock would queue every reader behind it: it gives up instead.
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.commit()
    command.upgrade(alembic_config(connection), "head")
    connection.commit()
    fresh = [script for script in reversed(list(scripts.walk_revisions())) if script.revision not in applied_before]
    for script in fresh:
        release = {
            "revision": script.revision,
            "version": installed_version("loppestars"),
            "oldest_compatible": script.module.oldest_compatible,
        }
        connection.execute(insert(SchemaRelease).values(release).on_conflict_do_nothing())
    connection.commit()
    return [script.revision for script in fresh]


def _applied(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(SchemaRelease.__tablename__):
        return set()
    return set(connection.execute(select(SchemaRelease.revision)).scalars())


def _check_compatible(connection: Connection, revision: str) -> None:
    found = connection.execute(select(SchemaRelease.version, SchemaRelease.oldest_compatible)).all()
    connection.rollback()
    ours = Release(installed_version("loppestars"))
    oldest = max((Release(row.oldest_compatible) for row in found), default=None)
    if oldest is None or ours < oldest:
        raise IncompatibleSchema(
            f"the database is at revision {revision}, which release {ours} does not know and cannot serve; "
            f"use release {oldest or 'that migrated it'} or newer"
        )
    log.info("newer_database_accepted", revision=revision, oldest_compatible=str(oldest))


app: Final = single(
    "loppestars-migrate",
    "Bring the database to this release's schema, forward only.",
    epilog=epilog(
        describe(MigrateSettings),
        examples=[
            "loppestars-migrate --dry-run     what would be applied",
            "loppestars-migrate --status      where the database is",
            "loppestars-migrate --local       the database of `make run`",
        ],
        notes="exit codes:\n  0  the schema can be served\n  1  it cannot, or the database cannot be reached\n"
        "  2  wrong usage or settings",
    ),
)


@app.command()
def bring_up_to_date(
    *,
    status: Annotated[bool, typer.Option("--status", help="Show the migrations and which are applied.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be applied and change nothing.")] = False,
    json: Json = False,
    local: Local = False,  # noqa: ARG001 - acts by itself
    version: Version = False,  # noqa: ARG001 - likewise
) -> None:
    """Bring the database to this release's schema, forward only."""
    settings = load_settings(MigrateSettings)
    configure_logging("migrate", settings.log_level)
    try:
        with migration_engine(settings.direct_url).connect() as connection:
            if status or dry_run:
                rows = migrations(connection)
                show([row for row in rows if status or not row["applied"]], json=json)
                return
            applied = migrate(connection)
            grant(connection, settings.roles)
    except (IncompatibleSchema, RoleMissing, ServerTooOld) as error:
        _give_up(str(error))
    except OperationalError as error:
        _give_up(f"the database cannot be reached or refused: {redact_text(str(error.orig))}")
    log.info("database_migrated", applied=applied, roles=sorted(settings.roles))


def migrations(connection: Connection) -> list[dict[str, Any]]:
    """Return a row for each migration of this release, oldest first, and whether it is applied."""
    applied = _applied(connection)
    connection.rollback()
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    return [
        {"revision": script.revision, "purpose": script.doc.rstrip("."), "applied": script.revision in applied}
        for script in reversed(list(scripts))
    ]


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 when the schema can be served, else 1."""
    run(app, arguments)


def _give_up(reason: str) -> NoReturn:
    log.error("migration_failed", reason=reason)
    raise typer.Exit(ExitCode.FAILED)
