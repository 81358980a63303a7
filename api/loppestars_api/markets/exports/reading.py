"""Reads of everything that a query matches, a batch at a time, from one snapshot of the database.

Exports have a few connections of their own: a client that reads slowly holds one for as long as it reads, and must not
take it from the lists.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any, Final

import orjson
import psycopg
from psycopg_pool import AsyncConnectionPool

from loppestars_api.markets.repository import MarketRepository, market_row, open_market_pool
from loppestars_api.markets.schemas import Row
from loppestars_api.state import AppState
from loppestars_api.web.etag import tag_of
from loppestars_core.markets.exports import Order, compile_export, compile_fingerprint
from loppestars_core.markets.query import MarketQuery

CONNECTIONS: Final = 4
"""Exports at the same time; a further one waits for a few seconds and is then answered 503."""
STATEMENT_SECONDS: Final = 30.0
MAX_SECONDS: Final = 600.0
"""After that an export is broken off: it holds a snapshot, which the database cannot clean up behind."""
_BATCH_ROWS: Final = 500
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


class ExportTooSlow(Exception):
    """The client has not read its export within `MAX_SECONDS`."""


class Export:
    """One opened export: what it would be (`tag`), and its rows."""

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], statement: tuple[str, dict[str, Any]], tag: str
    ) -> None:
        self._connection = connection
        self._statement = statement
        self.tag = tag

    async def batches(self) -> AsyncIterator[list[Row]]:
        """Yield the rows, some hundred at a time."""
        sql, parameters = self._statement
        deadline = monotonic() + MAX_SECONDS
        async with self._connection.cursor(name="export", row_factory=market_row) as cursor:
            await cursor.execute(sql.encode(), parameters)
            while batch := await cursor.fetchmany(_BATCH_ROWS):
                if monotonic() > deadline:
                    raise ExportTooSlow
                yield batch


class MarketExports:
    """Opens exports on connections of `pool`."""

    def __init__(self, pool: AsyncConnectionPool[Any], markets: MarketRepository) -> None:
        self._pool = pool
        self._markets = markets

    async def open(self, query: MarketQuery, order: Order, *, called_off: bool, stack: AsyncExitStack) -> Export:
        """Open an export that `stack` closes. A text that finds nothing is asked again without typing errors."""
        connection = await stack.enter_async_context(self._pool.connection())
        await stack.enter_async_context(connection.transaction())
        await connection.execute(_SNAPSHOT)
        found = await _fingerprint(connection, query, called_off=called_off)
        if not found["count"] and (corrected := await self._markets.corrected(query)):
            query = corrected
            found = await _fingerprint(connection, query, called_off=called_off)
        tag = tag_of(query.model_dump_json().encode(), orjson.dumps([order, called_off, found]))
        return Export(connection, compile_export(query, order, called_off=called_off), tag)


@asynccontextmanager
async def open_exports(state: AppState, markets: MarketRepository) -> AsyncIterator[MarketExports]:
    """Open the connections of exports."""
    async with open_market_pool(
        state.settings, size=CONNECTIONS, statement_seconds=STATEMENT_SECONDS, name="exports"
    ) as pool:
        yield MarketExports(pool, markets)


async def _fingerprint(connection: psycopg.AsyncConnection[Any], query: MarketQuery, *, called_off: bool) -> Row:
    sql, parameters = compile_fingerprint(query, called_off=called_off)
    found: Row = (await (await connection.execute(sql.encode(), parameters)).fetchall())[0]
    return found
