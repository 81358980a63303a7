"""One source of one run: crawled with Scrapy, judged, and its record closed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.http import Request, Response
from sqlalchemy.exc import DBAPIError
from twisted.python.failure import Failure

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls.sources import SourceSpec
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.interruption import Interruption
from loppestars_crawler.crawl.judging import FIELDS, coverage_warnings, shrink_reason
from loppestars_crawler.crawl.plan import site_of
from loppestars_crawler.crawl.repository import LastCrawl, SourceRepository
from loppestars_crawler.crawl.scrapy_settings import scrapy_settings
from loppestars_crawler.crawl.sink import MAX_WAIT_SECONDS, SourceSink
from loppestars_crawler.fetching.stored_pages import StoredPages
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.metrics import COVERAGE, ITEMS, LAST_SUCCESS
from loppestars_crawler.settings import CrawlerSettings
from loppestars_crawler.spiders.loppemarkeder import LoppemarkederSpider
from loppestars_crawler.spiders.markedskalenderen import MarkedskalenderenSpider
from loppestars_crawler.spiders.schema_org import SchemaOrgSpider
from loppestars_crawler.spiders.source import SourceSpider

log = structlog.get_logger(__name__)
STOP_GRACE_SECONDS: Final = 5.0
"""How long an ending crawl waits for the request under way."""
_SPIDERS: Final[dict[str, type[SourceSpider]]] = {
    spider.name: spider for spider in (MarkedskalenderenSpider, LoppemarkederSpider)
}


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """What is asked of every source of a run."""

    limit: int | None = None
    accept_shrink: bool = False
    found: list[SourceMarket] | None = None
    """Where the markets are noted, when somebody wants to see them."""


class SourceCrawl:
    """One source of one run."""

    def __init__(
        self,
        source: SourceSpec,
        settings: CrawlerSettings,
        repository: SourceRepository,
        locator: Locator,
        pages: StoredPages,
    ) -> None:
        self.name = source.name
        self._source, self._settings, self._site = source, settings, site_of(source)
        self._repository, self._locator, self._pages = repository, locator, pages
        self._page_count, self._bytes, self._fetch_seconds = 0, 0, 0.0
        self._expected: int | None = None
        self._sink: SourceSink | None = None
        self._ended = False
        self._database_error: BaseException | None = None

    @property
    def counts(self) -> dict[str, int]:
        """What became of its items so far."""
        return dict(self._sink.counts) if self._sink else {"seen": 0}

    @property
    def expected(self) -> int | None:
        """How many items the source says it lists, else how many it listed last time; never fewer than it did."""
        said = self._sink.expected if self._sink and self._sink.expected is not None else self._expected
        return max(said or 0, self.counts["seen"]) if said is not None or self._ended else None

    @property
    def error(self) -> str | None:
        """Why the source failed."""
        return self._sink.error if self._sink else None

    @property
    def has_ended(self) -> bool:
        """Whether all of it is read and judged, or given up."""
        return self._ended

    @property
    def begun(self) -> bool:
        """Whether its turn has come."""
        return self._sink is not None

    async def run(self, whole_run: Interruption, order: SourceOrder) -> None:
        """Crawl the source; an error of its own ends up in `error`, one of the database is raised."""
        last = await self._repository.last_crawl()
        self._expected = last.listed if last else None
        await self._repository.begin(self._expected)
        spider = _SPIDERS.get(self._source.type, SchemaOrgSpider)
        crawler = Crawler(spider, scrapy_settings(self._settings, self._source.delay_seconds))
        tasks: set[asyncio.Task[Any]] = set()

        def ask_to_stop() -> None:
            task = asyncio.ensure_future(crawler.stop_async())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        sink = self._sink = SourceSink(
            self.name,
            self._site,
            self._repository,
            self._locator,
            limit=order.limit,
            rank=self._source.rank,
            accept_shrink=order.accept_shrink,
            found=order.found,
            ask_to_stop=ask_to_stop,
        )
        interruption = whole_run.part()
        interruption.on_interrupt(sink.stop)
        out_of_time = asyncio.get_running_loop().call_later(
            self._settings.max_source_seconds, self._end_out_of_time, interruption
        )
        try:
            async with self._repository.recording():
                async with self._storing(sink):
                    await self._fetch(crawler, sink, interruption)
                if self._database_error is None:
                    await sink.flush()
        finally:
            out_of_time.cancel()
        if self._database_error is not None:
            raise self._database_error
        await self._judge(sink, last, interruption, whole=order.limit is None, accept_shrink=order.accept_shrink)

    def fail(self, reason: str) -> None:
        """Note why the source failed outside of its pages."""
        if self._sink is not None and self._sink.error is None:
            self._sink.error = reason

    async def close_crashed(self) -> None:
        """End the record of a source that a mistake of ours ended."""
        self._ended = True
        await self._repository.finish(CrawlState.FAILED, error=self.error, warnings=[], **self.counts)

    def _end_out_of_time(self, interruption: Interruption) -> None:
        reason = f"not finished within {self._settings.max_source_seconds} s (MAX_SOURCE_SECONDS)"
        self.fail(reason)
        interruption.interrupt(reason, ExitCode.FAILED)

    @contextlib.asynccontextmanager
    async def _storing(self, sink: SourceSink) -> AsyncIterator[None]:
        """Store what waits every few seconds, also while a page is slow."""
        ended = asyncio.Event()

        async def store() -> None:
            while not (sink.stopped or ended.is_set()):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), MAX_WAIT_SECONDS)
                try:
                    await sink.flush()
                except DBAPIError as error:
                    self._database_error = error
                    sink.stop()

        storing = asyncio.create_task(store())
        try:
            yield
        finally:
            # Never cancelled: a batch that is being stored would be lost.
            ended.set()
            await storing

    async def _fetch(self, crawler: Crawler, sink: SourceSink, interruption: Interruption) -> None:
        """Let Scrapy crawl; when the crawl is to end, wait a little for the request under way, then leave it."""
        crawler.signals.connect(self._on_error, signal=signals.spider_error)
        crawler.signals.connect(self._on_page, signal=signals.response_received)
        spider: dict[str, Any] = {
            "name": self.name,
            "site": self._site,
            "sink": sink,
            "pages": self._pages,
            "max_pages": self._source.max_pages or self._settings.max_pages,
        }
        if not self._source.type.built_in:
            spider |= {"start_urls": list(self._source.start_urls), "kind": self._source.type}
        work: Coroutine[Any, Any, None] = crawler.crawl_async(**spider)
        crawling = asyncio.ensure_future(work)
        interrupted = asyncio.ensure_future(interruption.wait())
        await asyncio.wait({crawling, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        done, _ = await asyncio.wait({crawling}, timeout=STOP_GRACE_SECONDS)
        if not done:
            log.warning("request_left", source=self.name)
            return
        if (error := crawling.exception()) is not None:
            raise error

    def _on_page(self, response: Response, request: Request) -> None:
        self._page_count += 1
        self._bytes += len(response.body)
        self._fetch_seconds += request.meta.get("download_latency", 0.0)

    def _on_error(self, failure: Failure) -> None:
        """Note an error in a spider: of the database, which ends the run, or one of ours, which fails the source."""
        if self._sink is None:
            return
        if isinstance(failure.value, DBAPIError):
            self._database_error = failure.value
            self._sink.stop()
            return
        log.error("spider_failed", source=self.name, error=failure.getTraceback())
        self._sink.fail(f"the spider failed: {type(failure.value).__name__}: {str(failure.value)[:300]}")

    async def _judge(
        self, sink: SourceSink, last: LastCrawl | None, interruption: Interruption, *, whole: bool, accept_shrink: bool
    ) -> None:
        """Decide what the crawl of the source was worth, and close its record."""
        self._ended = True
        if sink.error is None and whole and not accept_shrink and interruption.reason is None:
            sink.error = shrink_reason(sink.listed, last.listed if last else None)
        state = CrawlState.FAILED if sink.error is not None else CrawlState.SUCCEEDED
        if interruption.reason is not None:
            state = CrawlState.FAILED if interruption.exit_code is ExitCode.FAILED else CrawlState.CANCELLED
        warnings = coverage_warnings(sink.coverage, last.coverage if last else None) if whole else []
        for warning in warnings:
            log.warning("coverage_fell", source=self.name, warning=warning)
        for name in FIELDS:
            COVERAGE.labels(self.name, name).set(sink.coverage.share(name))
        if state is CrawlState.SUCCEEDED and whole:
            sink.counts["vanished"] = await self._repository.mark_vanished()
            ITEMS.labels(self.name, "vanished").inc(sink.counts["vanished"])
            LAST_SUCCESS.labels(self.name).set(time.time())
        error = sink.error or interruption.reason
        await self._repository.finish(
            state,
            expected=self.expected,
            done=sink.done,
            error=error and error[:2000],
            coverage=sink.coverage.as_json(),
            warnings=warnings,
            pages=self._page_count,
            bytes=self._bytes,
            fetch_seconds=self._fetch_seconds,
            quarantined=sink.quarantined,
            **sink.counts,
        )
        log.info("source_finished", source=self.name, state=state, error=sink.error, **sink.counts)
