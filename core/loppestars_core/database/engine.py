"""Connections: one async engine a process, and plain connections for LISTEN and session locks."""

from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from loppestars_core.database.access import AccessRole
from loppestars_core.kit.settings import DatabaseSettings

CONNECT_TIMEOUT_SECONDS: Final = 5
POOL_TIMEOUT_SECONDS: Final = 30
# A dead peer is noticed within about 20 s, also where no packet ever comes back.
_KEEPALIVES: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}


def connection_arguments(url: str) -> dict[str, Any]:
    """Libpq's parameters of `url`, with our time-outs where it sets none."""
    return {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **_KEEPALIVES, **conninfo_to_dict(url)}


def acting_for_the_system(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return libpq's parameters with the role that sees every row, until a transaction acts for less."""
    options = f"{arguments.get('options') or ''} -c loppestars.role={AccessRole.SYSTEM}".strip()
    return {**arguments, "options": options}


def create_engine(settings: DatabaseSettings, *, application: str = "loppestars") -> AsyncEngine:
    """Create the engine of a process. `application` names it in pg_stat_activity.

    Connections are checked before use, so a restarted server costs a reconnect and no failed request.
    """
    arguments = connection_arguments(settings.pooled_url)
    arguments.setdefault("application_name", application)
    if settings.behind_pooler:
        # A transaction pooler hands each transaction to another server connection, which lacks our statements.
        arguments["prepare_threshold"] = None
    else:
        arguments = acting_for_the_system(arguments)
    engine = create_async_engine(
        "postgresql+psycopg://",
        connect_args=arguments,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        # A burst of requests takes turns instead of failing; a server that is down is noticed by connecting, not here.
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=1800,
    )
    if settings.behind_pooler:
        # Nor does it keep what a connection was set to: each transaction says it.
        acting = f"SELECT set_config('loppestars.role', '{AccessRole.SYSTEM}', true)"
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(acting))
    return engine


def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions whose objects stay readable after commit. Services never commit: the edge that opens one does."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def connect_directly(settings: DatabaseSettings, *, application: str) -> psycopg.AsyncConnection[Any]:
    """Open a connection of its own to the server itself, in autocommit: for LISTEN and session locks."""
    arguments = connection_arguments(settings.direct_url)
    arguments.setdefault("application_name", application)
    return await psycopg.AsyncConnection.connect(autocommit=True, **arguments)
