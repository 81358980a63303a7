"""Reads of `/rest/v1` on the shortest way to the database.

An anonymous caller's read is one statement on a connection that can be nothing else: it was opened for the anonymous
role, and for reading. Everybody else's is a transaction that says for whom it acts, sent in one go.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from loppestars_api.state import AppState, within
from loppestars_core.database.access import ANONYMOUS, AccessRole, Actor
from loppestars_core.database.engine import CONNECT_TIMEOUT_SECONDS, connection_arguments

IDLE_SECONDS: Final = 300.0
_ACT: Final = b"SELECT set_config('loppestars.role', %s, true), set_config('loppestars.user_id', %s, true)"
_OPTIONS: Final = f"-c loppestars.role={AccessRole.ANON} -c default_transaction_read_only=on -c TimeZone=UTC"


class Answered(NamedTuple):
    """An answer as PostgreSQL made it: JSON or lines of CSV, how many rows are in it, and how many there are."""

    body: bytes
    rows: int
    total: int | None


class _BytesLoader(Loader):
    """Leaves text as the bytes that are sent on."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class RowReader:
    """Reads by `pool`; each read within `seconds`, else `TimeoutError`."""

    def __init__(self, pool: AsyncConnectionPool[Any], seconds: float, *, pooled: bool) -> None:
        self._pool = pool
        self._seconds = seconds
        self._pooled = pooled

    async def read(self, actor: Actor, sql: bytes, parameters: dict[str, Any]) -> Answered:
        """Return the answer that is the only row of a statement, as `actor` may see it."""
        return await within(self._seconds, self._read_again(actor, sql, parameters))

    async def _read_again(self, actor: Actor, sql: bytes, parameters: dict[str, Any]) -> Answered:
        try:
            return await self._read_once(actor, sql, parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            # The server was restarted while the connection lay idle: the next one is a new one.
            if isinstance(error, psycopg.errors.QueryCanceled | PoolTimeout) or error.sqlstate == "08000":
                raise
            await self._pool.check()
            return await self._read_once(actor, sql, parameters)

    async def _read_once(self, actor: Actor, sql: bytes, parameters: dict[str, Any]) -> Answered:
        async with self._pool.connection() as connection:
            if actor == ANONYMOUS and not self._pooled:
                row = await (await connection.execute(sql, parameters)).fetchone()
            else:
                async with connection.pipeline(), connection.transaction():
                    await connection.execute(_ACT, (actor.role.value, actor.user_id or ""))
                    cursor = await connection.execute(sql, parameters)
                row = await cursor.fetchone()
        return Answered(*row)


@asynccontextmanager
async def open_reader(state: AppState) -> AsyncIterator[RowReader]:
    """Open the connections. A database that is not there yet is connected to when it is."""
    settings = state.settings
    seconds = settings.statement_timeout_seconds
    arguments = {**connection_arguments(settings.pooled_url), "application_name": "loppestars-api-rest"}
    if settings.behind_pooler:
        # A transaction pooler keeps neither prepared statements nor what a connection was set to.
        arguments["prepare_threshold"] = None
    else:
        timeout = f"-c statement_timeout={int(seconds * 1000)}"
        arguments["options"] = f"{arguments.get('options') or ''} {_OPTIONS} {timeout}".strip()

    async def prepare(connection: psycopg.AsyncConnection[Any]) -> None:
        connection.adapters.register_loader("text", _BytesLoader)

    pool = AsyncConnectionPool[Any](
        kwargs={**arguments, "autocommit": True, "row_factory": tuple_row},
        configure=prepare,
        min_size=0,  # connected to when the app asks
        max_size=settings.database_read_pool_size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        max_idle=IDLE_SECONDS,
        name="rest",
        open=False,
    )
    await pool.open(wait=False)
    try:
        yield RowReader(pool, seconds, pooled=settings.behind_pooler)
    finally:
        await pool.close()
