"""A run: take the lock, write the record, crawl the sources one after another, report how it went."""

import asyncio
import uuid
from collections import Counter
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
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.interruption import Interruption
from loppestars_crawler.crawl.report import Report
from loppestars_crawler.crawl.repository import CrawlRepository, DatabaseGeocodes, DatabasePages
from loppestars_crawler.crawl.source import SourceCrawl
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


class Crawl:
    """One run. `interruption` may end it at any moment."""

    def __init__(self, settings: CrawlerSettings, order: CrawlOrder, interruption: Interruption) -> None:
        self._settings, self._order, self._interruption = settings, order, interruption
        self._engine = create_engine(settings, application="loppestars-crawler")
        self._sessions = sessions(self._engine)
        self._repository = CrawlRepository(self._engine, order.run_id, dry_run=order.dry_run)
        self._sources: list[SourceCrawl] = []
        self.found = list[SourceMarket]() if order.dry_run or order.output else None

    async def run(self) -> Report:
        """Crawl, and report how it ended.

        Raises:
            RunAlreadyFinished: the order names a run that has ended.
        """
        order = self._order
        try:
            async with CrawlLock(self._settings) as lock:
                if not lock.acquired:
                    async with self._sessions.begin() as session:
                        await record_superseded(session, order.run_id, trigger=order.trigger, sources=order.sources)
                    log.warning("run_superseded")
                    return self._report(CrawlState.SUPERSEDED, "another crawl was running")
                async with self._sessions.begin() as session:
                    run = await begin_run(
                        session,
                        order.run_id,
                        trigger=order.trigger,
                        sources=order.sources,
                        item_limit=order.limit,
                        dry_run=order.dry_run,
                        accept_shrink=order.accept_shrink,
                    )
                if run.state == CrawlState.CANCELLED:
                    return self._report(CrawlState.CANCELLED, "cancelled before it started")
                if run.state != CrawlState.RUNNING:
                    raise RunAlreadyFinished(f"run {run.id} has {run.state} already: leave out --run-id for a new one")
                return await self._crawl(lock, accept_shrink=run.accept_shrink)
        finally:
            await self._engine.dispose()

    async def _crawl(self, lock: CrawlLock, *, accept_shrink: bool) -> Report:
        await self._repository.close_dead_sources()
        log.info("run_started", sources=self._order.sources, limit=self._order.limit, dry_run=self._order.dry_run)
        watcher = asyncio.create_task(self._watch(lock))
        pages = DatabasePages(self._repository)
        locator = Locator(DatabaseGeocodes(self._repository), self._settings.geocoder())
        try:
            for name in self._order.sources:
                if self._interruption.reason is not None:
                    break
                source = SourceCrawl(name, self._settings, self._repository, locator, pages)
                self._sources.append(source)
                await source.run(
                    self._interruption, limit=self._order.limit, accept_shrink=accept_shrink, found=self.found
                )
            await pages.forget_old()
        except (DBAPIError, OSError) as error:
            self._interruption.interrupt(f"the database failed: {type(error).__name__}", ExitCode.FAILED)
            log.exception("database_failed")
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        return await self._finish()

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
        known = [source.expected for source in self._sources if source.expected is not None]
        await update_progress(
            session,
            self._order.run_id,
            expected=sum(known) if known else None,
            done=sum(source.counts["seen"] for source in self._sources),
            counts=self._counts(),
        )

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter(dict.fromkeys(COUNT_NAMES, 0))
        for source in self._sources:
            total.update(source.counts)
        return total

    async def _finish(self) -> Report:
        errors = [f"{source.name}: {source.error}" for source in self._sources if source.error]
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
                break
            except DBAPIError as error:
                log.warning("end_of_run_not_written", attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(1)
        return report

    def _report(self, state: CrawlState, error: str | None, exit_code: ExitCode | None = None) -> Report:
        counts = {source.name: source.counts for source in self._sources}
        return Report(self._order.run_id, state, exit_code or _EXIT_CODES[state], self._counts(), counts, error)
