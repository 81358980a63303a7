"""Crawls one source with Scrapy and closes its record."""

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from scrapy import signals
from scrapy.crawler import AsyncCrawlerRunner, Crawler
from sqlalchemy.exc import DBAPIError

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_crawler.crawl.scrapy_settings import scrapy_settings
from loppestars_crawler.crawl.sink import SourceSink, shrink_reason
from loppestars_crawler.metrics import ITEMS, LAST_SUCCESS
from loppestars_crawler.spiders.loppemarkeder import LoppemarkederSpider
from loppestars_crawler.spiders.markedskalenderen import MarkedskalenderenSpider
from loppestars_crawler.spiders.schema_org import SchemaOrgSpider

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from loppestars_crawler.crawl.interruption import Interruption
    from loppestars_crawler.crawl.repository import CrawlRepository
    from loppestars_crawler.fetching.stored_pages import StoredPages
    from loppestars_crawler.geocoding.locating import Locator
    from loppestars_crawler.settings import CrawlerSettings
    from loppestars_crawler.spiders.source import SourceSpider

log = structlog.get_logger()
_SPIDERS: dict[str, type["SourceSpider"]] = {
    spider.name: spider for spider in (MarkedskalenderenSpider, LoppemarkederSpider)
}
SECONDS_TO_STOP = 5.0
"""How long an ending crawl waits for the request under way before it leaves it."""


class SourceCrawl:
    """One source of one run."""

    def __init__(
        self,
        name: str,
        settings: "CrawlerSettings",
        store: "CrawlRepository",
        locator: "Locator",
        pages: "StoredPages",
    ) -> None:
        self.name = name
        self._settings, self._store, self._locator, self._pages = settings, store, locator, pages
        self._expected: int | None = None
        self._sink: SourceSink | None = None
        self._ended = False
        self._database_error: BaseException | None = None

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._sink.counts) if self._sink else {"seen": 0}

    @property
    def expected(self) -> int | None:
        """How many items the source says it lists, else how many it listed last time; never fewer than it did."""
        said = self._sink.expected if self._sink and self._sink.expected is not None else self._expected
        return max(said or 0, self.counts["seen"]) if said is not None or self._ended else None

    @property
    def error(self) -> str | None:
        return self._sink.error if self._sink else None

    async def run(self, interruption: "Interruption", *, limit: int | None, accept_shrink: bool) -> None:
        """Crawl the source; an error of its own ends up in `error`, one of the database is raised."""
        last_time = await self._store.listed_last_time(self.name)
        self._expected = last_time
        started = await self._store.begin_source(self.name, last_time)
        crawler = AsyncCrawlerRunner(scrapy_settings(self._settings)).create_crawler(
            _SPIDERS.get(self.name, SchemaOrgSpider)
        )
        tasks: set[asyncio.Task[Any]] = set()

        def ask_to_stop() -> None:
            task = asyncio.ensure_future(crawler.stop_async())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        self._sink = SourceSink(
            self.name, self._settings.sites[self.name], self._store, self._locator, limit=limit, ask_to_stop=ask_to_stop
        )
        interruption.on_interrupt(self._sink.stop)
        async with self._store.recording():
            await self._fetch(crawler, interruption)
        if self._database_error is not None:
            raise self._database_error
        await self._judge(started, last_time, interruption, whole=limit is None, accept_shrink=accept_shrink)

    async def _fetch(self, crawler: Crawler, interruption: "Interruption") -> None:
        """Let Scrapy crawl; when the crawl is to end, wait a little for the request under way, then leave it."""
        crawler.signals.connect(self._on_error, signal=signals.spider_error)
        spider: dict[str, Any] = {
            "name": self.name,
            "site": self._settings.sites[self.name],
            "sink": self._sink,
            "pages": self._pages,
            "max_pages": self._settings.max_pages,
        }
        if self.name in self._settings.jsonld_sources:
            spider["start_urls"] = [str(url) for url in self._settings.jsonld_sources[self.name]]
        crawling = asyncio.ensure_future(crawler.crawl_async(**spider))
        interrupted = asyncio.ensure_future(interruption.wait())
        await asyncio.wait({crawling, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        done, _ = await asyncio.wait({crawling}, timeout=SECONDS_TO_STOP)
        if not done:
            log.warning("left a request that did not end", source=self.name)
            return
        if (error := crawling.exception()) is not None:
            raise error

    def _on_error(self, failure: "Failure") -> None:
        """An error in a spider: of the database, which ends the run, or one of ours, which fails the source."""
        if self._sink is None:
            return
        if isinstance(failure.value, DBAPIError):
            self._database_error = failure.value
            self._sink.stop()
            return
        log.error("spider failed", source=self.name, error=failure.getTraceback())
        self._sink.fail(f"the spider failed: {type(failure.value).__name__}: {str(failure.value)[:300]}")

    async def _judge(
        self,
        started: datetime,
        last_time: int | None,
        interruption: "Interruption",
        *,
        whole: bool,
        accept_shrink: bool,
    ) -> None:
        """Decide what the crawl of the source was worth, and close its record."""
        sink = self._sink
        if sink is None:
            return
        self._ended = True
        state = CrawlState.SUCCEEDED
        if interruption.reason is not None:
            state = CrawlState.FAILED if interruption.exit_code is ExitCode.FAILED else CrawlState.CANCELLED
        elif sink.error is None and whole and not accept_shrink:
            sink.error = shrink_reason(sink.listed, last_time)
        if state is CrawlState.SUCCEEDED and sink.error is not None:
            state = CrawlState.FAILED
        if state is CrawlState.SUCCEEDED and whole:
            sink.counts["vanished"] = await self._store.mark_vanished(self.name, started)
            ITEMS.labels(self.name, "vanished").inc(sink.counts["vanished"])
            LAST_SUCCESS.labels(self.name).set(time.time())
        await self._store.finish_source(
            self.name,
            state,
            counts=sink.counts,
            expected=self.expected,
            done=sink.done,
            error=sink.error or interruption.reason,
        )
        log.info("source finished", source=self.name, state=state, error=sink.error, **sink.counts)
