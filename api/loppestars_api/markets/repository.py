"""Reads markets. The question and its SQL are core's; here is how it is asked quickly."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.clock import today_in_denmark
from loppestars_core.database.models import Market, MarketRedirect
from loppestars_core.markets.query import MarketQuery, select_market, select_markets


class MarketRepository:
    def __init__(self, engine: AsyncEngine) -> None:
        # A single SELECT needs no transaction around it: two round trips less.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def search(self, query: MarketQuery) -> Sequence[Row[Any]]:
        """Rows of MarketResponse's columns, in the order of the query."""
        async with self._engine.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(select_markets(query, today_in_denmark()))).all()
        return rows

    async def find(self, market_id: UUID) -> Row[Any] | None:
        """The market of that id, also when it has been merged into another."""
        merged_into = select(MarketRedirect.market_id).where(MarketRedirect.id == market_id).scalar_subquery()
        statement = select_market().where(Market.id == func.coalesce(merged_into, literal(market_id)))
        async with self._engine.connect() as connection:
            row: Row[Any] | None = (await connection.execute(statement)).one_or_none()
        return row
