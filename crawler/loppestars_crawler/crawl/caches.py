"""What crawls keep of the web: pages that may not have changed, and where addresses are."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from loppestars_core.crawls.models import CrawledPage
from loppestars_core.kit.clock import now_utc
from loppestars_core.markets.models import Geocode
from loppestars_core.places.points import Point
from loppestars_crawler.fetching.stored_pages import StoredPage, pack, unpack
from loppestars_crawler.geocoding.provider import CachedGeocode

Sessions = async_sessionmaker[AsyncSession]
PAGES_KEPT_FOR: Final = timedelta(days=30)
_MAX_KEPT_PAGE: Final = 5_000_000


class DatabasePages:
    """Fetched pages in the database."""

    def __init__(self, opened: Sessions, *, dry_run: bool) -> None:
        self._sessions, self._dry_run = opened, dry_run

    async def find(self, url: str) -> StoredPage | None:
        """Return the kept page of an address; one older than a month is fetched again."""
        statement = select(CrawledPage).where(
            CrawledPage.url == url,
            CrawledPage.fetched_at > now_utc() - PAGES_KEPT_FOR,
        )
        async with self._sessions() as session:
            page = (await session.execute(statement)).scalar_one_or_none()
        if page is None:
            return None
        return StoredPage(page.etag, page.last_modified, page.content_type, unpack(page.body))

    async def keep(self, url: str, page: StoredPage) -> None:
        """Keep a page; a very large one is rather fetched again."""
        if self._dry_run or len(page.body) > _MAX_KEPT_PAGE:
            return
        values: dict[str, Any] = {
            "etag": page.etag,
            "last_modified": page.last_modified,
            "content_type": page.content_type,
            "body": pack(page.body),
            "fetched_at": func.now(),
        }
        async with self._sessions.begin() as session:
            statement = upsert(CrawledPage).values(url=url, **values)
            await session.execute(statement.on_conflict_do_update(index_elements=["url"], set_=values))

    async def forget_old(self) -> None:
        """Delete pages that are too old and were not asked for since."""
        async with self._sessions.begin() as session:
            await session.execute(
                delete(CrawledPage).where(CrawledPage.fetched_at <= now_utc() - PAGES_KEPT_FOR),
            )


class DatabaseGeocodes:
    """The cache of geocodes in the database."""

    def __init__(self, opened: Sessions, *, dry_run: bool) -> None:
        self._sessions, self._dry_run = opened, dry_run

    async def find(self, key: str, provider: str) -> CachedGeocode | None:
        """Return the kept answer, also when it was rejected."""
        statement = select(Geocode).where(Geocode.address_key == key, Geocode.provider == provider)
        async with self._sessions() as session:
            row = (await session.execute(statement)).scalar_one_or_none()
        if row is None:
            return None
        placed = row.latitude is not None and row.longitude is not None
        point = Point(row.latitude, row.longitude) if placed else None  # type: ignore[arg-type]  # both are there
        return CachedGeocode(point, row.confidence, row.rejected_reason)

    async def keep(self, key: str, provider: str, answer: CachedGeocode) -> None:
        """Keep an answer; an equal one is left untouched."""
        if self._dry_run:
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
        async with self._sessions.begin() as session:
            statement = upsert(Geocode).values(address_key=key, provider=provider, **values)
            await session.execute(
                statement.on_conflict_do_update(index_elements=["address_key", "provider"], set_=values, where=differs),
            )
