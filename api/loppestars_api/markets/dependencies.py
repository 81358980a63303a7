"""The markets of the running API, for routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from loppestars_api.markets.repository import MarketRepository, open_market_pool
from loppestars_api.state import AppState


@asynccontextmanager
async def open_markets(state: AppState) -> AsyncIterator[MarketRepository]:
    """Open the connections that read markets."""
    settings = state.settings
    async with open_market_pool(
        settings, size=settings.database_read_pool_size, statement_seconds=settings.statement_timeout_seconds
    ) as pool:
        yield MarketRepository(pool, settings.statement_timeout_seconds)


async def markets_of(request: Request) -> MarketRepository:
    """Return what reads markets."""
    found: MarketRepository = request.app.state.markets
    return found


Markets = Annotated[MarketRepository, Depends(markets_of)]
