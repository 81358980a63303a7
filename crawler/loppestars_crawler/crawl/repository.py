"""The database as a crawl uses it: one short transaction a step, so whatever ends the crawl, what is done is kept."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls.log import EventKind, add_event
from loppestars_core.crawls.models import CrawlRun, CrawlSource, ManagedBy
from loppestars_core.crawls.runs import add_failed_item
from loppestars_core.crawls.sources import SourceSpec, keep_source, known_sources
from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.disappearance import count_missed, mark_vanished
from loppestars_core.markets.ingest import Recorded, record_sightings
from loppestars_core.markets.known import KnownSighting, is_known, known_sightings
from loppestars_core.markets.quarantine import quarantine, released_hashes
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.judging import Coverage
from loppestars_crawler.items import Problem

# Markets are put together by one source at a time: two that list one market must not both find it new.
_RECORDING_LOCK: Final = 0x10995_0005


class LastCrawl(NamedTuple):
    """What the last whole crawl of a source found."""

    listed: int
    coverage: Coverage | None


class SightingStore(Protocol):
    """What a sink stores into."""

    async def known(self, batch: Sequence[SourceMarket]) -> dict[str, KnownSighting]:
        """Return what earlier crawls know of a batch, by its ids."""

    async def known_ids(self, external_ids: Sequence[str]) -> set[str]:
        """Return which ids earlier crawls found."""

    async def missed_so_far(self) -> int:
        """Return how many known markets to come this crawl has not listed yet."""

    async def record(
        self, batch: Sequence[SourceMarket], known: Mapping[str, KnownSighting]
    ) -> dict[str, Recorded | Exception]:
        """Store a batch; return what became of each id."""

    async def record_failed(self, problem: Problem) -> None:
        """Keep an item that was not understood with the run."""

    async def quarantine(self, doubted: Sequence[tuple[SourceMarket, str]]) -> set[str]:
        """Keep markets apart that are not believed, with the reasons; return the ids that an admin released before."""


class CrawlRepository:
    """What one run writes. A dry run reads and decides like any other, and rolls each step back."""

    def __init__(self, engine: AsyncEngine, run_id: uuid.UUID, *, dry_run: bool) -> None:
        self.engine = engine
        self.sessions = sessions(engine)
        self.run_id = run_id
        self.dry_run = dry_run

    async def known_sources(self, configured: Sequence[SourceSpec]) -> dict[str, SourceSpec]:
        """Write the rows of the sources that the settings bring; return all that are known."""
        async with self.sessions.begin() as session:
            for source in configured:
                await keep_source(session, source, managed_by=ManagedBy.SETTINGS)
            return await known_sources(session, configured)

    async def last_started(self) -> dict[str, datetime]:
        """Return when each source was last begun by a run that stores."""
        statement = (
            select(CrawlSource.source, func.max(CrawlSource.started_at))
            .join(CrawlRun, CrawlRun.id == CrawlSource.run_id)
            .where(CrawlRun.dry_run.is_(False), CrawlSource.started_at.is_not(None))
            .group_by(CrawlSource.source)
        )
        async with self.sessions() as session:
            return {row[0]: row[1] for row in await session.execute(statement) if row[1] is not None}

    async def succeeded(self) -> list[CrawlSource]:
        """Return the sources that this run has crawled already, before its process was killed."""
        done = CrawlSource.run_id == self.run_id, CrawlSource.state == CrawlState.SUCCEEDED
        async with self.sessions() as session:
            return list((await session.execute(select(CrawlSource).where(*done))).scalars())

    async def close_dead_sources(self) -> None:
        """End the records of sources whose process died; only the holder of the lock may."""
        dead = CrawlSource.state.in_([CrawlState.PENDING, CrawlState.RUNNING])
        async with self.sessions.begin() as session:
            await session.execute(
                update(CrawlSource)
                .where(dead, CrawlSource.run_id != self.run_id)
                .values(state=CrawlState.FAILED, finished_at=func.now(), error="its run ended without a word"),
            )

    async def note(self, kind: EventKind, message: str, source: str | None = None, **data: Any) -> None:  # noqa: ANN401 - JSON
        """Write a line of the run's log."""
        async with self.sessions.begin() as session:
            await add_event(session, self.run_id, kind, message, source=source, data=data)


class SourceRepository:
    """What the crawl of one source writes, on a connection of its own."""

    def __init__(self, run: CrawlRepository, source: str) -> None:
        self.run = run
        self.source = source
        self._session: AsyncSession | None = None
        self._started: datetime | None = None

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Hold one connection for all that is recorded meanwhile: many small transactions, one after another."""
        async with (
            self.run.engine.connect() as connection,
            AsyncSession(connection, expire_on_commit=False) as session,
        ):
            self._session = session
            try:
                yield
            finally:
                self._session = None

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[AsyncSession]:
        """Use the held connection for one transaction, which a dry run rolls back."""
        session = self._session
        if session is None:
            raise RuntimeError("markets are recorded within `async with repository.recording()`")
        try:
            yield session
            await (session.rollback() if self.run.dry_run else session.commit())
        except BaseException:
            await session.rollback()
            raise

    @property
    def started(self) -> datetime:
        """The database's time at which the crawl of the source began; nothing of it was seen before."""
        if self._started is None:
            raise RuntimeError("the source has not begun")
        return self._started

    async def known(self, batch: Sequence[SourceMarket]) -> dict[str, KnownSighting]:
        """Return what earlier crawls know of a batch, by its ids."""
        async with self._step() as session:
            return await known_sightings(session, batch, crawl_started=self.started)

    async def known_ids(self, external_ids: Sequence[str]) -> set[str]:
        """Return which ids earlier crawls found."""
        async with self._step() as session:
            return await is_known(session, self.source, external_ids)

    async def missed_so_far(self) -> int:
        """Return how many known markets to come this crawl has not listed yet."""
        async with self._step() as session:
            return await count_missed(session, self.source, self.started, today_in_denmark())

    async def record(
        self, batch: Sequence[SourceMarket], known: Mapping[str, KnownSighting]
    ) -> dict[str, Recorded | Exception]:
        """Store a batch in one transaction; return what became of each id."""
        async with self._step() as session:
            await session.execute(text(f"SELECT pg_advisory_xact_lock({_RECORDING_LOCK})"))
            return await record_sightings(session, batch, known, run_id=self.run.run_id)

    async def quarantine(self, doubted: Sequence[tuple[SourceMarket, str]]) -> set[str]:
        """Keep markets apart that are not believed, with the reasons; return the ids that an admin released before."""
        if not doubted:
            return set()
        async with self._step() as session:
            released = await released_hashes(session, self.source)
            believed = {said.external_id for said, _ in doubted if said.content_hash() in released}
            kept = [(said, reason) for said, reason in doubted if said.external_id not in believed]
            await quarantine(session, kept, run_id=self.run.run_id)
        return believed

    async def record_failed(self, problem: Problem) -> None:
        """Keep an item that was not understood with the run; also of a dry run, which is made to see them."""
        async with self.run.sessions.begin() as session:
            await add_failed_item(
                session,
                self.run.run_id,
                source=self.source,
                reason=problem.reason,
                url=problem.url,
                snippet=problem.snippet,
            )

    async def begin(self, expected: int | None) -> None:
        """Start the source's record, or start it again after its process was killed."""
        values: dict[str, Any] = {"state": CrawlState.RUNNING, "expected": expected, "started_at": func.now()}
        async with self.run.sessions.begin() as session:
            statement = upsert(CrawlSource).values(run_id=self.run.run_id, source=self.source, **values)
            await session.execute(
                statement.on_conflict_do_update(index_elements=["run_id", "source"], set_=values),
            )
            self._started = (await session.execute(select(func.now()))).scalar_one()
            await add_event(
                session, self.run.run_id, EventKind.SOURCE_STARTED, f"{self.source} begins", source=self.source
            )

    async def finish(self, state: CrawlState, **values: Any) -> None:  # noqa: ANN401 - columns
        """End the source's record, and say so in the log."""
        async with self.run.sessions.begin() as session:
            await session.execute(
                update(CrawlSource)
                .where(CrawlSource.run_id == self.run.run_id, CrawlSource.source == self.source)
                .values(state=state, finished_at=func.now(), **values),
            )
            for warning in values["warnings"]:
                await add_event(session, self.run.run_id, EventKind.SOURCE_WARNING, warning, source=self.source)
            counts = {name: value for name, value in values.items() if isinstance(value, int)}
            message = f"{self.source} {state}" + (f": {values['error']}" if values["error"] else "")
            await add_event(
                session,
                self.run.run_id,
                EventKind.SOURCE_FINISHED,
                message,
                source=self.source,
                data={"state": state, **counts},
            )

    async def last_crawl(self) -> LastCrawl | None:
        """Return what the last successful, whole crawl of the source found."""
        listed = CrawlSource.new + CrawlSource.changed + CrawlSource.unchanged
        statement = (
            select(listed, CrawlSource.coverage)
            .join(CrawlRun, CrawlRun.id == CrawlSource.run_id)
            .where(
                CrawlSource.source == self.source,
                CrawlSource.state == CrawlState.SUCCEEDED,
                CrawlRun.item_limit.is_(None),
                CrawlRun.dry_run.is_(False),
            )
            .order_by(CrawlSource.finished_at.desc())
            .limit(1)
        )
        async with self.run.sessions() as session:
            row = (await session.execute(statement)).one_or_none()
        if row is None:
            return None
        fields = dict(row[1] or {})
        return LastCrawl(row[0], Coverage(fields.pop("listed"), fields) if fields else None)

    async def mark_vanished(self) -> int:
        """Count misses of what a whole crawl did not list; return how many markets vanished."""
        async with self.run.sessions() as session:
            vanished = await mark_vanished(session, self.source, crawl_started=self.started, today=today_in_denmark())
            await (session.rollback() if self.run.dry_run else session.commit())
        return vanished
