"""Crawls by hand: a run's record first, then the crawl itself."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_api.access.principal import Principal
from loppestars_api.crawls.events import follow
from loppestars_api.crawls.launcher import CrawlLauncher, CrawlOrder, LaunchFailed
from loppestars_api.crawls.schemas import RunDetails, RunRecord, TriggerRequest
from loppestars_api.web.errors import Conflict, NotFound, Unavailable, Unprocessable
from loppestars_core.contract.sources import BUILT_IN_SOURCES
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls import (
    CrawlAlreadyFinished,
    CrawlNotFound,
    NothingToRetry,
    close_dead_runs,
    find_run,
    finish_run,
    list_runs,
    request_cancel,
    request_run,
    retry_run,
)
from loppestars_core.crawls.runs import failed_items, sources_of_run
from loppestars_core.crawls.sources import list_sources
from loppestars_core.database.engine import sessions
from loppestars_core.events.audit import record_audit

log = structlog.get_logger(__name__)

CRAWL_TRIGGERS: Final = Counter("loppestars_crawl_triggers_total", "Crawls triggered by hand", ["result"])
LAUNCH_RETRY_SECONDS: Final = 30
MAX_FOLLOWED: Final = 20
"""Runs that one process lets admins follow at the same time."""
NO_SUCH_RUN: Final = "There is no crawl run with this id."


class CrawlService:
    """Starts, cancels and lists crawls.

    `default_sources` are crawled when none is named; empty leaves the choice to the crawler.
    """

    def __init__(self, engine: AsyncEngine, launcher: CrawlLauncher, default_sources: tuple[str, ...]) -> None:
        self._sessions = sessions(engine)
        self._launcher = launcher
        self._default_sources = default_sources
        self._followed = 0

    async def trigger(self, caller: Principal, wanted: TriggerRequest) -> tuple[UUID, bool]:
        """Return the id of the run that this starts and True; or that of the one that is active already, and False."""
        sources = wanted.sources or list(self._default_sources)
        async with self._sessions.begin() as session:
            rows = [row.name for row in await list_sources(session)]
            known = list(dict.fromkeys([*(self._default_sources or BUILT_IN_SOURCES), *rows]))
            if unknown := sorted(set(sources) - set(known)):
                raise Unprocessable(f"Unknown source {', '.join(unknown)}. Known are {', '.join(known)}.")
            run, created = await request_run(
                session,
                trigger=CrawlTrigger.API,
                sources=sources,
                item_limit=wanted.limit,
                accept_shrink=wanted.accept_shrink,
                requested_by=caller.id,
            )
            if created:
                await _audit(session, caller, "crawl.trigger", run.id, {"sources": sources, "limit": wanted.limit})
        CRAWL_TRIGGERS.labels("started" if created else "already_running").inc()
        if created:
            await self._launch(CrawlOrder(run.id, tuple(sources), wanted.limit))
        return run.id, created

    async def retry(self, caller: Principal, run_id: UUID, *, accept_shrink: bool) -> tuple[UUID, bool]:
        """Crawl the sources of a run again that did not succeed; return the run's id, and whether it is a new one."""
        try:
            async with self._sessions.begin() as session:
                run, created = await retry_run(session, run_id, accept_shrink=accept_shrink, requested_by=caller.id)
                if created:
                    after = {"of": str(run_id), "sources": run.sources, "acceptShrink": accept_shrink}
                    await _audit(session, caller, "crawl.retry", run.id, after)
        except CrawlNotFound:
            raise NotFound(NO_SUCH_RUN) from None
        except NothingToRetry as reason:
            raise Conflict(f"There is nothing to crawl again: {reason}.") from None
        if created:
            await self._launch(CrawlOrder(run.id, tuple(run.sources), run.item_limit))
        return run.id, created

    async def follow(self, run_id: UUID, last_id: int) -> AsyncIterator[bytes]:
        """Return the log of a run as it comes.

        Raises:
            NotFound: no such run.
            Unavailable: too many are followed.
        """
        async with self._sessions() as session:
            try:
                await find_run(session, run_id)
            except CrawlNotFound:
                raise NotFound(NO_SUCH_RUN) from None
        if self._followed >= MAX_FOLLOWED:
            raise Unavailable("Too many runs are followed at once.", LAUNCH_RETRY_SECONDS)
        return self._counted(follow(self._sessions, run_id, last_id))

    async def _counted(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._followed += 1
        try:
            async for chunk in stream:
                yield chunk
        finally:
            self._followed -= 1

    async def _launch(self, order: CrawlOrder) -> None:
        try:
            await self._launcher.launch(order)
        except LaunchFailed as failure:
            log.warning("crawl_not_started", run_id=str(order.run_id), reason=str(failure))
            CRAWL_TRIGGERS.labels("failed").inc()
            async with self._sessions.begin() as session:
                await finish_run(session, order.run_id, CrawlState.FAILED, error=f"it could not be started: {failure}")
            raise Unavailable("The crawl could not be started; its record says why.", LAUNCH_RETRY_SECONDS) from None

    async def cancel(self, caller: Principal, run_id: UUID) -> RunRecord:
        try:
            async with self._sessions.begin() as session:
                run = await request_cancel(session, run_id)
                await _audit(session, caller, "crawl.cancel", run_id, {"state": run.state})
        except CrawlNotFound:
            raise NotFound(NO_SUCH_RUN) from None
        except CrawlAlreadyFinished as finished:
            raise Conflict(f"There is nothing to cancel: {finished}.") from None
        await self._launcher.cancel(run_id)
        return RunRecord.of(run)

    async def close_dead(self) -> None:
        """End the records of crawls whose process is gone, so that none says `running` until the next trigger."""
        async with self._sessions.begin() as session:
            await close_dead_runs(session)

    async def newest(self, limit: int, offset: int) -> list[RunRecord]:
        async with self._sessions() as session:
            return [RunRecord.of(run) for run in await list_runs(session, limit=limit, offset=offset)]

    async def details(self, run_id: UUID) -> RunDetails:
        async with self._sessions() as session:
            try:
                run = await find_run(session, run_id)
            except CrawlNotFound:
                raise NotFound(NO_SUCH_RUN) from None
            return RunDetails.with_items(
                run, await failed_items(session, run_id), await sources_of_run(session, run_id)
            )


async def _audit(session: AsyncSession, caller: Principal, action: str, run_id: UUID, after: dict[str, object]) -> None:
    await record_audit(
        session,
        actor_kind=caller.kind,
        actor_id=caller.id,
        action=action,
        subject_type="crawl",
        subject_id=run_id,
        after=after,
    )
