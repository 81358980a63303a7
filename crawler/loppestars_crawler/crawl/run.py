"""A run: take the lock, write the record, crawl the sources, several hosts at a time, report how it went."""

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls import (
    CrawlLock,
    begin_run,
    cancel_requested,
    finish_run,
    record_superseded,
    update_progress,
)
from loppestars_core.crawls.log import EventKind, add_event
from loppestars_core.crawls.models import CrawlSource
from loppestars_core.crawls.sources import SourceSpec
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.clock import now_utc
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.caches import DatabaseGeocodes, DatabasePages
from loppestars_crawler.crawl.interruption import Interruption
from loppestars_crawler.crawl.plan import chosen, host_of
from loppestars_crawler.crawl.report import Report
from loppestars_crawler.crawl.repository import CrawlRepository, SourceRepository
from loppestars_crawler.crawl.source import SourceCrawl, SourceOrder
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.settings import CrawlerSettings

log = structlog.get_logger(__name__)
WATCH_SECONDS: Final = 1.0
"""How often a run looks whether it was cancelled and still holds the lock, and writes its progress."""
_FINISH_TRIES: Final = 10
_EXIT_CODES: Final = {
    CrawlState.SUCCEEDED: ExitCode.DONE,
    CrawlState.FAILED: ExitCode.FAILED,
    CrawlState.SUPERSEDED: ExitCode.LOCKED,
    CrawlState.CANCELLED: ExitCode.TERMINATED,
}


@dataclass(frozen=True, slots=True)
class CrawlOrder:
    """What was asked for."""

    sources: list[str]
    run_id: uuid.UUID
    trigger: CrawlTrigger = CrawlTrigger.CLI
    limit: int | None = None
    dry_run: bool = False
    accept_shrink: bool = False
    output: Path | None = None
    """File that takes the markets found, as JSON or CSV by its ending."""


class RunAlreadyFinished(ValueError):
    """The run of that id has ended; a new one needs a new id."""


class UnknownSource(ValueError):
    """There is no source of that name."""


class Crawl:
    """One run. `interruption` may end it at any moment."""

    def __init__(self, settings: CrawlerSettings, order: CrawlOrder, interruption: Interruption) -> None:
        self._settings, self._order, self._interruption = settings, order, interruption
        self._engine = create_engine(settings, application="loppestars-crawler")
        self._sessions = sessions(self._engine)
        self._repository = CrawlRepository(self._engine, order.run_id, dry_run=order.dry_run)
        self._earlier = list[CrawlSource]()
        self.sources: list[SourceCrawl] = []
        self.found = list[SourceMarket]() if order.dry_run or order.output else None

    async def run(self) -> Report:
        """Crawl, and report how it ended.

        Raises:
            RunAlreadyFinished: the order names a run that has ended.
            UnknownSource: the order names a source that there is not.
        """
        order = self._order
        try:
            known = await self._repository.known_sources(self._settings.sources)
            if unknown := [name for name in order.sources if name not in known]:
                raise UnknownSource(f"unknown source {', '.join(unknown)}: known are {', '.join(known)}")
            due_at = now_utc() if order.trigger is CrawlTrigger.SCHEDULE else None
            sources = chosen(known, order.sources, await self._repository.last_started(), due_at=due_at)
            async with CrawlLock(self._settings) as lock:
                names = [source.name for source in sources]
                if not lock.acquired:
                    async with self._sessions.begin() as session:
                        await record_superseded(session, order.run_id, trigger=order.trigger, sources=names)
                    log.warning("run_superseded")
                    return self._report(CrawlState.SUPERSEDED, "another crawl was running")
                async with self._sessions.begin() as session:
                    run = await begin_run(
                        session,
                        order.run_id,
                        trigger=order.trigger,
                        sources=names,
                        item_limit=order.limit,
                        dry_run=order.dry_run,
                        accept_shrink=order.accept_shrink,
                    )
                if run.state == CrawlState.CANCELLED:
                    return self._report(CrawlState.CANCELLED, "cancelled before it started")
                if run.state != CrawlState.RUNNING:
                    raise RunAlreadyFinished(f"run {run.id} has {run.state} already: leave out --run-id for a new one")
                wanted = [known[name] for name in run.sources if name in known]
                return await self._crawl(lock, wanted, accept_shrink=run.accept_shrink)
        finally:
            await self._engine.dispose()

    async def _crawl(self, lock: CrawlLock, wanted: Sequence[SourceSpec], *, accept_shrink: bool) -> Report:
        await self._repository.close_dead_sources()
        self._earlier = await self._repository.succeeded()
        done = {source.source for source in self._earlier}
        names = [source.name for source in wanted if source.name not in done]
        kind = EventKind.RUN_RESUMED if done else EventKind.RUN_STARTED
        await self._repository.note(kind, f"crawls {', '.join(names) or 'no source'}", sources=names)
        log.info("run_started", resumed=bool(done), sources=names, limit=self._order.limit, dry_run=self._order.dry_run)
        watcher = asyncio.create_task(self._watch(lock))
        pages = DatabasePages(self._sessions, dry_run=self._order.dry_run)
        locator = Locator(DatabaseGeocodes(self._sessions, dry_run=self._order.dry_run), self._settings.geocoder())
        hosts: dict[str, list[SourceCrawl]] = defaultdict(list)
        for source in wanted:
            if source.name not in done:
                repository = SourceRepository(self._repository, source.name)
                crawl = SourceCrawl(source, self._settings, repository, locator, pages)
                hosts[host_of(source)].append(crawl)
                self.sources.append(crawl)
        order = SourceOrder(self._order.limit, accept_shrink, self.found)
        places = asyncio.Semaphore(self._settings.parallel_sources)
        try:
            await asyncio.gather(*(self._crawl_host(sources, order, places) for sources in hosts.values()))
            await pages.forget_old()
        except (DBAPIError, OSError) as error:
            self._end_without_database(error)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        return await self._finish()

    async def _crawl_host(self, sources: Sequence[SourceCrawl], order: SourceOrder, places: asyncio.Semaphore) -> None:
        """Crawl the sources of one host one after another; whatever goes wrong in one is its own."""
        for source in sources:
            async with places:
                if self._interruption.reason is not None:
                    return
                try:
                    await source.run(self._interruption, order)
                except (DBAPIError, OSError) as error:
                    self._end_without_database(error)
                except Exception as error:
                    log.exception("source_crashed", source=source.name)
                    source.fail(f"it crashed: {type(error).__name__}: {str(error)[:300]}")
                    await source.close_crashed()

    def _end_without_database(self, error: Exception) -> None:
        self._interruption.interrupt(f"the database failed: {type(error).__name__}", ExitCode.FAILED)
        log.error("database_failed", error=type(error).__name__)

    async def _watch(self, lock: CrawlLock) -> None:
        """Look once a second for a request to cancel and a lost lock, and write the progress."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not await lock.still_held():
                self._interruption.interrupt("the lock was lost: the database went away", ExitCode.FAILED)
                return
            try:
                async with self._sessions.begin() as session:
                    await self._write_progress(session)
                    if await cancel_requested(session, self._order.run_id):
                        self._interruption.interrupt("cancelled on request", ExitCode.TERMINATED)
            except DBAPIError as error:
                log.warning("progress_not_written", error=type(error).__name__)

    async def _write_progress(self, session: AsyncSession) -> None:
        expected = [*(source.expected for source in self._earlier), *(source.expected for source in self.sources)]
        known = [number for number in expected if number is not None]
        await update_progress(
            session,
            self._order.run_id,
            expected=sum(known) if known else None,
            done=self._counts()["seen"],
            counts=self._counts(),
        )

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter(dict.fromkeys(COUNT_NAMES, 0))
        for source in self.sources:
            total.update(source.counts)
        for earlier in self._earlier:
            total.update({name: getattr(earlier, name) for name in COUNT_NAMES})
        return total

    async def _finish(self) -> Report:
        errors = [f"{source.name}: {source.error}" for source in self.sources if source.error]
        interrupted = self._interruption.reason
        if interrupted is not None and self._interruption.exit_code is not ExitCode.FAILED:
            report = self._report(CrawlState.CANCELLED, interrupted, self._interruption.exit_code)
        elif interrupted is not None or errors:
            report = self._report(CrawlState.FAILED, "; ".join([*filter(None, [interrupted]), *errors]))
        else:
            report = self._report(CrawlState.SUCCEEDED, None)
        for attempt in range(_FINISH_TRIES):
            try:
                async with self._sessions.begin() as session:
                    await self._write_progress(session)
                    await finish_run(
                        session, self._order.run_id, report.state, counts=report.counts, error=report.error
                    )
                    await add_event(
                        session,
                        self._order.run_id,
                        EventKind.RUN_FINISHED,
                        f"the run {report.state}" + (f": {report.error}" if report.error else ""),
                        data={"state": report.state, "counts": dict(report.counts)},
                    )
                break
            except DBAPIError as error:
                log.warning("end_of_run_not_written", attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(1)
        return report

    def _report(self, state: CrawlState, error: str | None, exit_code: ExitCode | None = None) -> Report:
        counts = {source.name: source.counts for source in self.sources}
        return Report(self._order.run_id, state, exit_code or _EXIT_CODES[state], self._counts(), counts, error)
