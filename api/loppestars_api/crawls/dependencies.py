"""Crawls of the running API, for routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import Depends, Request

from loppestars_api.crawls.factory import open_launcher
from loppestars_api.crawls.service import CrawlService
from loppestars_api.crawls.source_service import SourceService
from loppestars_api.state import AppState, repeating

_CLOSE_DEAD_SECONDS: Final = 60.0
_MEASURE_SECONDS: Final = 60.0


@asynccontextmanager
async def open_crawls(state: AppState) -> AsyncIterator[CrawlService]:
    """Open the launcher, and close the records of crawls whose process is gone."""
    launcher = open_launcher(state.settings, state.engine)
    service = CrawlService(state.engine, launcher, state.settings.crawl_sources)
    try:
        async with repeating(_CLOSE_DEAD_SECONDS, service.close_dead):
            yield service
    finally:
        await launcher.close()


@asynccontextmanager
async def open_sources(state: AppState) -> AsyncIterator[SourceService]:
    """Open what knows the sources, and measure their health every minute."""
    service = SourceService(state.engine)
    async with repeating(_MEASURE_SECONDS, service.measure):
        yield service


async def sources_of(request: Request) -> SourceService:
    """Return what lists and changes sources."""
    found: SourceService = request.app.state.sources
    return found


async def crawls_of(request: Request) -> CrawlService:
    """Return what starts and cancels crawls."""
    found: CrawlService = request.app.state.crawls
    return found


Crawls = Annotated[CrawlService, Depends(crawls_of)]
Sources = Annotated[SourceService, Depends(sources_of)]
