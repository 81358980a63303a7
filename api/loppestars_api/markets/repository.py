"""Reads of markets on the shortest way to the database; the query and its SQL are core's.

These reads are most of what the API does, so they take the shortest way: psycopg without SQLAlchemy's execution, in
autocommit (a single SELECT needs no transaction around it), on connections of their own that are not tested before
each use (a broken one is noticed and the read repeated), and with values that JSON needs no Python object for.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
import structlog
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.rows import RowMaker
from psycopg.types.numeric import FloatLoader
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import Date, Select, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from loppestars_api.markets.schemas import Row
from loppestars_api.state import within
from loppestars_core.database.engine import CONNECT_TIMEOUT_SECONDS, connection_arguments
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.markets.models import Market, MarketRedirect, MarketState
from loppestars_core.markets.query import MarketQuery, compile_markets, select_market
from loppestars_core.markets.vocabulary import Vocabulary

# What the app calls further fields of a source: it has known only one source that has some.
_RESPONSE_NAMES: Final = {"source_fields": "loppemarkeder_nu"}
IDLE_SECONDS: Final = 300.0
_VOCABULARY_SECONDS: Final = 600.0

log = structlog.get_logger(__name__)


class _JsonLoader(Loader):
    """Hands the text of a JSON column on to the answer, unparsed."""

    def load(self, data: Buffer) -> orjson.Fragment:
        return orjson.Fragment(bytes(data))


class _DateLoader(TextLoader):
    """Dates come as `YYYY-MM-DD`, which is what clients get."""


class MarketRepository:
    """Reads through `pool`, see `open_market_pool`; each within `seconds`, else `TimeoutError`."""

    def __init__(self, pool: AsyncConnectionPool[Any], seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._vocabulary = Vocabulary()
        self._vocabulary_until = 0.0

    async def search(self, query: MarketQuery) -> list[Row]:
        """Return rows of MarketResponse's columns, in the order of the query.

        A text that finds nothing is asked once more with its typing errors corrected.
        """
        rows = await self._read(*compile_markets(query, today_in_denmark()))
        if rows or query.text is None:
            return rows
        corrected = await self.corrected(query)
        return rows if corrected is None else await self._read(*compile_markets(corrected, today_in_denmark()))

    async def corrected(self, query: MarketQuery) -> MarketQuery | None:
        """Return a query without the typing errors of its text; None where there are none that are known."""
        text = (await self._known_words()).corrected(query.text) if query.text else None
        return None if text is None else query.model_copy(update={"text": text})

    async def find(self, market_id: UUID) -> Row | None:
        """Return the market of that id, also when it has been merged into another."""
        rows = await self._read(_FIND, {"market_id": market_id})
        return rows[0] if rows else None

    async def _known_words(self) -> Vocabulary:
        """Return the words of listed markets, read again after some minutes; the last ones where that fails."""
        if time.monotonic() >= self._vocabulary_until:
            self._vocabulary_until = time.monotonic() + _VOCABULARY_SECONDS
            try:
                rows = await self._read(_NAMES, {"today": today_in_denmark()})
            except (TimeoutError, psycopg.Error, PoolTimeout):
                log.warning("vocabulary_not_read")
            else:
                self._vocabulary = await asyncio.to_thread(Vocabulary, [row["search_name"] for row in rows])
        return self._vocabulary

    async def _read(self, sql: str, parameters: dict[str, Any]) -> list[Row]:
        return await within(self._seconds, self._read_again(sql, parameters))

    async def _read_again(self, sql: str, parameters: dict[str, Any]) -> list[Row]:
        try:
            return await self._read_once(sql, parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            # The server was restarted while the connection lay idle: the next one is a new one. A statement that
            # took too long, or a server that is not there, would only fail again.
            if isinstance(error, psycopg.errors.QueryCanceled | PoolTimeout) or error.sqlstate == "08000":
                raise
            await self._pool.check()
            return await self._read_once(sql, parameters)

    async def _read_once(self, sql: str, parameters: dict[str, Any]) -> list[Row]:
        async with self._pool.connection() as connection:
            rows: list[Row] = await (await connection.execute(sql.encode(), parameters)).fetchall()
        return rows


@asynccontextmanager
async def open_market_pool(
    settings: DatabaseSettings, *, size: int, statement_seconds: float, name: str = "markets"
) -> AsyncIterator[AsyncConnectionPool[Any]]:
    """Open connections for reading, `size` at most. A database that is not there yet is connected to when it is."""
    arguments: dict[str, Any] = {
        "application_name": f"loppestars-api-{name}",
        **connection_arguments(settings.pooled_url),
        "autocommit": True,
        "row_factory": market_row,
    }
    if settings.behind_pooler:
        # A transaction pooler hands each statement to another server connection, which lacks our prepared ones.
        arguments["prepare_threshold"] = None

    async def prepare(connection: psycopg.AsyncConnection[Any]) -> None:
        adapt(connection)
        if not settings.behind_pooler:
            await connection.execute(f"SET statement_timeout = {int(statement_seconds * 1000)}".encode())

    pool = AsyncConnectionPool[Any](
        kwargs=arguments,
        configure=prepare,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        max_idle=IDLE_SECONDS,
        name=name,
        open=False,
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close()


def market_row(cursor: psycopg.AsyncCursor[Any]) -> RowMaker[Row]:
    """Return what makes a row a dictionary with the keys of MarketResponse."""
    names = [_RESPONSE_NAMES.get(column.name, column.name) for column in cursor.description or ()]
    return lambda values: dict(zip(names, values, strict=True))


def adapt(context: AdaptContext) -> None:
    """Load what JSON would only turn into text again as text, and numbers as numbers of JSON."""
    adapters = context.adapters
    for name, loader in (
        ("jsonb", _JsonLoader),
        ("numeric", FloatLoader),
        ("date", _DateLoader),
        ("uuid", TextLoader),
    ):
        adapters.register_loader(name, loader)


def _compiled(statement: Select[Any]) -> str:
    return str(statement.compile(dialect=PGDialect_psycopg()))  # type: ignore[no-untyped-call]


_WANTED: Final = bindparam("market_id", type_=Market.id.type)
_MERGED_INTO: Final = select(MarketRedirect.market_id).where(MarketRedirect.id == _WANTED).scalar_subquery()
_FIND: Final = _compiled(
    select_market().add_columns(Market.series_id, Market.state).where(Market.id == func.coalesce(_MERGED_INTO, _WANTED))
)
# Written out, so that the partial index on dates applies.
_LISTED: Final = Market.state == literal_column(f"'{MarketState.SCHEDULED}'")
_NAMES: Final = _compiled(
    select(Market.search_name).where(_LISTED, Market.end_date >= bindparam("today", type_=Date)).distinct()
)
