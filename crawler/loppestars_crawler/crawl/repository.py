"""The database as a crawl uses it: one short transaction a step, so whatever ends the crawl, what is done is kept."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls.models import CrawledPage, CrawlRun, CrawlSource
from loppestars_core.crawls.runs import add_failed_item
from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import now_utc, today_in_denmark
from loppestars_core.markets.disappearance import count_missed, mark_vanished
from loppestars_core.markets.ingest import KnownSighting, Recorded, is_known, known_sightings, record_sightings
from loppestars_core.markets.models import Geocode
from loppestars_core.markets.sighting import SourceMarket
from loppestars_core.places.points import Point
from loppestars_crawler.crawl.judging import Coverage
from loppestars_crawler.fetching.stored_pages import StoredPage, pack, unpack
from loppestars_crawler.geocoding.provider import CachedGeocode
from loppestars_crawler.items import Problem

PAGES_KEPT_FOR: Final = timedelta(days=30)
_MAX_KEPT_PAGE: Final = 5_000_000


class LastCrawl(NamedTuple):
    """What the last whole crawl of a source found."""

    listed: int
    coverage: Coverage | None


class SightingStore(Protocol):
    """What a sink stores into."""

    async def known(self, batch: Sequence[SourceMarket]) -> dict[str, KnownSighting]:
        """Return what earlier crawls know of a batch, by its ids."""

    async def known_ids(self, source: str, external_ids: Sequence[str]) -> set[str]:
        """Return which ids earlier crawls found."""

    async def missed_so_far(self, source: str) -> int:
        """Return how many known markets to come this crawl has not listed yet."""

    async def record(
        self, batch: Sequence[SourceMarket], known: Mapping[str, KnownSighting]
    ) -> dict[str, Recorded | Exception]:
        """Store a batch; return what became of each id."""

    async def record_failed(self, source: str, problem: Problem) -> None:
        """Keep an item that was not understood with the run."""


class CrawlRepository:
    """What one run writes. A dry run reads and decides like any other, and rolls each step back."""

    def __init__(self, engine: AsyncEngine, run_id: uuid.UUID, *, dry_run: bool) -> None:
        self._engine = engine
        self._session: AsyncSession | None = None
        self._source_started: dict[str, datetime] = {}
        self.sessions = sessions(engine)
        self.run_id = run_id
        self.dry_run = dry_run

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Hold one connection for all that is recorded meanwhile: many small transactions, one after another."""
        async with self._engine.connect() as connection, AsyncSession(connection, expire_on_commit=False) as session:
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
            await (session.rollback() if self.dry_run else session.commit())
        except BaseException:
            await session.rollback()
            raise

    async def known(self, batch: Sequence[SourceMarket]) -> dict[str, KnownSighting]:
        """Return what earlier crawls know of a batch, by its ids."""
        async with self._step() as session:
            return await known_sightings(session, batch, crawl_started=self._source_started[batch[0].source])

    async def known_ids(self, source: str, external_ids: Sequence[str]) -> set[str]:
        """Return which ids earlier crawls found."""
        async with self._step() as session:
            return await is_known(session, source, external_ids)

    async def missed_so_far(self, source: str) -> int:
        """Return how many known markets to come this crawl has not listed yet."""
        async with self._step() as session:
            return await count_missed(session, source, self._source_started[source], today_in_denmark())

    async def record(
        self, batch: Sequence[SourceMarket], known: Mapping[str, KnownSighting]
    ) -> dict[str, Recorded | Exception]:
        """Store a batch in one transaction; return what became of each id."""
        async with self._step() as session:
            return await record_sightings(session, batch, known, run_id=self.run_id)

    async def record_failed(self, source: str, problem: Problem) -> None:
        """Keep an item that was not understood with the run; also of a dry run, which is made to see them."""
        async with self.sessions.begin() as session:
            await add_failed_item(
                session,
                self.run_id,
                source=source,
                reason=problem.reason,
                url=problem.url,
                snippet=problem.snippet,
            )

    async def close_dead_sources(self) -> None:
        """End the records of sources whose process died; only the holder of the lock may."""
        dead = CrawlSource.state.in_([CrawlState.PENDING, CrawlState.RUNNING])
        async with self.sessions.begin() as session:
            await session.execute(
                update(CrawlSource)
                .where(dead, CrawlSource.run_id != self.run_id)
                .values(state=CrawlState.FAILED, finished_at=func.now(), error="its run ended without a word"),
            )

    async def begin_source(self, source: str, expected: int | None) -> datetime:
        """Start a source's record; return the database's time, before which nothing of this crawl was seen."""
        values: dict[str, Any] = {"state": CrawlState.RUNNING, "expected": expected, "started_at": func.now()}
        async with self.sessions.begin() as session:
            statement = upsert(CrawlSource).values(run_id=self.run_id, source=source, **values)
            await session.execute(
                statement.on_conflict_do_update(index_elements=["run_id", "source"], set_=values),
            )
            started: datetime = (await session.execute(select(func.now()))).scalar_one()
        self._source_started[source] = started
        return started

    async def finish_source(self, source: str, state: CrawlState, **values: Any) -> None:  # noqa: ANN401 - columns
        """End a source's record."""
        async with self.sessions.begin() as session:
            await session.execute(
                update(CrawlSource)
                .where(CrawlSource.run_id == self.run_id, CrawlSource.source == source)
                .values(state=state, finished_at=func.now(), **values),
            )

    async def last_crawl(self, source: str) -> LastCrawl | None:
        """Return what the last successful, whole crawl of a source found."""
        listed = CrawlSource.new + CrawlSource.changed + CrawlSource.unchanged
        statement = (
            select(listed, CrawlSource.coverage)
            .join(CrawlRun, CrawlRun.id == CrawlSource.run_id)
            .where(
                CrawlSource.source == source,
                CrawlSource.state == CrawlState.SUCCEEDED,
                CrawlRun.item_limit.is_(None),
                CrawlRun.dry_run.is_(False),
            )
            .order_by(CrawlSource.finished_at.desc())
            .limit(1)
        )
        async with self.sessions() as session:
            row = (await session.execute(statement)).one_or_none()
        if row is None:
            return None
        fields = dict(row[1] or {})
        return LastCrawl(row[0], Coverage(fields.pop("listed"), fields) if fields else None)

    async def mark_vanished(self, source: str) -> int:
        """Count misses of what a whole crawl did not list; return how many markets vanished."""
        async with self.sessions() as session:
            started, today = self._source_started[source], today_in_denmark()
            vanished = await mark_vanished(session, source, crawl_started=started, today=today)
            await (session.rollback() if self.dry_run else session.commit())
        return vanished


class DatabasePages:
    """Fetched pages in the database."""

    def __init__(self, store: CrawlRepository) -> None:
        self._store = store

    async def find(self, url: str) -> StoredPage | None:
        """Return the kept page of an address; one older than a month is fetched again."""
        statement = select(CrawledPage).where(
            CrawledPage.url == url,
            CrawledPage.fetched_at > now_utc() - PAGES_KEPT_FOR,
        )
        async with self._store.sessions() as session:
            page = (await session.execute(statement)).scalar_one_or_none()
        if page is None:
            return None
        return StoredPage(page.etag, page.last_modified, page.content_type, unpack(page.body))

    async def keep(self, url: str, page: StoredPage) -> None:
        """Keep a page; a very large one is rather fetched again."""
        if self._store.dry_run or len(page.body) > _MAX_KEPT_PAGE:
            return
        values: dict[str, Any] = {
            "etag": page.etag,
            "last_modified": page.last_modified,
            "content_type": page.content_type,
            "body": pack(page.body),
            "fetched_at": func.now(),
        }
        async with self._store.sessions.begin() as session:
            statement = upsert(CrawledPage).values(url=url, **values)
            await session.execute(statement.on_conflict_do_update(index_elements=["url"], set_=values))

    async def forget_old(self) -> None:
        """Delete pages that are too old and were not asked for since."""
        async with self._store.sessions.begin() as session:
            await session.execute(
                delete(CrawledPage).where(CrawledPage.fetched_at <= now_utc() - PAGES_KEPT_FOR),
            )


class DatabaseGeocodes:
    """The cache of geocodes in the database."""

    def __init__(self, store: CrawlRepository) -> None:
        self._store = store

    async def find(self, key: str, provider: str) -> CachedGeocode | None:
        """Return the kept answer, also when it was rejected."""
        statement = select(Geocode).where(Geocode.address_key == key, Geocode.provider == provider)
        async with self._store.sessions() as session:
            row = (await session.execute(statement)).scalar_one_or_none()
        if row is None:
            return None
        placed = row.latitude is not None and row.longitude is not None
        point = Point(row.latitude, row.longitude) if placed else None  # type: ignore[arg-type]  # both are there
        return CachedGeocode(point, row.confidence, row.rejected_reason)

    async def keep(self, key: str, provider: str, answer: CachedGeocode) -> None:
        """Keep an answer; an equal one is left untouched."""
        if self._store.dry_run:
            return
        values: dict[str, Any] = {
            "latitude": answer.point.latitude if answer.point else None,
            "longitude": answer.point.longitude if answer.point else None,
            "confidence": answer.confidence,
            "rejected_reason": answer.rejected_reason,
            "found_at": func.now(),
        }
        differs = or_(
            Geocode.latitude.is_distinct_from(values["latitude"]),
            Geocode.longitude.is_distinct_from(values["longitude"]),
            Geocode.rejected_reason.is_distinct_from(answer.rejected_reason),
        )
        async with self._store.sessions.begin() as session:
            statement = upsert(Geocode).values(address_key=key, provider=provider, **values)
            await session.execute(
                statement.on_conflict_do_update(index_elements=["address_key", "provider"], set_=values, where=differs),
            )
