"""`loppestars-imaging sweep`: delete what must not stay. One finite run; safe to repeat, to kill, to run twice at once.

- originals of finished photos, `ORIGINALS_RETENTION` after they were finished, and originals that nobody asked to
  process, as long after they were stored;
- photos that no rating shows, `UNREFERENCED_RETENTION` after they were finished: apps have them processed when they are
  taken, before there is a rating;
- objects of single requests, `TEMPORARY_RETENTION` after they were stored, and their rows;
- processed objects that no photo refers to (their worker was killed between writing and recording), after an hour.

Rows of tables whose time is over are deleted by `loppestars-jobs`.
"""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import InstrumentedAttribute

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.clock import now_utc
from loppestars_core.photos.ephemeral import EPHEMERAL_FOLDER
from loppestars_core.photos.models import Photo, PhotoState, PhotoSubject, PhotoVariant, Visibility
from loppestars_core.ratings.models import Rating
from loppestars_core.storage import Storage, open_storage
from loppestars_imaging.metrics import SWEPT
from loppestars_imaging.settings import ImagingSettings

log = structlog.get_logger(__name__)

ORPHAN_AGE: Final = timedelta(hours=1)
_BATCH: Final = 500
# Of storage, in one query; small, because a key may get its row while others of its batch are deleted.
_MAX_ASKED: Final = 100
_FINISHED: Final = [PhotoState.COMPLETED, PhotoState.NO_FACES, PhotoState.FAILED]


@dataclass(frozen=True, slots=True)
class Swept:
    """How many objects and rows were deleted."""

    originals: int
    unreferenced: int
    temporary: int
    orphans: int


async def sweep(settings: ImagingSettings) -> Swept:
    """Sweep once. Raises StorageUnavailable or a database error; what was done until then stays done."""
    database = create_engine(settings, application="loppestars-sweep")
    try:
        sweeper = _Sweeper(settings, database, open_storage(settings), now_utc())
        swept = Swept(
            originals=await sweeper.recorded_originals() + await sweeper.forgotten_originals(),
            unreferenced=await sweeper.unreferenced(),
            temporary=await sweeper.temporary(),
            orphans=await sweeper.orphans(),
        )
    finally:
        await database.dispose()
    log.info("swept", **asdict(swept))
    return swept


@dataclass(frozen=True, slots=True)
class _Sweeper:
    settings: ImagingSettings
    database: AsyncEngine
    storage: Storage
    now: datetime

    async def recorded_originals(self) -> int:
        """Originals of finished photos. The object goes first: a kill in between only repeats its deletion."""
        before = self.now - self.settings.originals_retention
        count = 0
        while True:
            async with sessions(self.database)() as session:
                due = await session.execute(
                    select(Photo.id, Photo.original_key)
                    .where(
                        Photo.original_deleted_at.is_(None),
                        Photo.state.in_(_FINISHED),
                        Photo.subject != PhotoSubject.EPHEMERAL,
                        Photo.finished_at < before,
                    )
                    .order_by(Photo.finished_at)
                    .limit(_BATCH)
                )
                rows = due.all()
            if not rows:
                return count
            for row in rows:
                await self.storage.delete(self.settings.originals_bucket, row.original_key)
            async with sessions(self.database).begin() as session:
                await session.execute(
                    update(Photo).where(Photo.id.in_([row.id for row in rows])).values(original_deleted_at=func.now())
                )
            SWEPT.labels("original").inc(len(rows))
            count += len(rows)

    async def forgotten_originals(self) -> int:
        """Originals without a photo: uploaded, and never asked to be processed."""
        before, bucket = self.now - self.settings.originals_retention, self.settings.originals_bucket
        old = (
            info.key
            async for info in self.storage.list(bucket)
            if info.modified_at < before and not info.key.startswith(f"{EPHEMERAL_FOLDER}/")
        )
        return await self._delete_unknown(bucket, old, select(Photo.original_key), Photo.original_key, "original")

    async def unreferenced(self) -> int:
        """Photos that no rating shows. Rows go first: what a kill leaves of their objects is swept as orphans."""
        count = 0
        while True:
            async with sessions(self.database).begin() as session:
                due = await session.execute(_unreferenced(self.now - self.settings.unreferenced_retention))
                keys = {row.id: row.original_key for row in due}
                found = select(PhotoVariant.bucket, PhotoVariant.key).where(PhotoVariant.photo_id.in_(keys))
                places = [(row.bucket, row.key) for row in await session.execute(found)]
                await session.execute(delete(Photo).where(Photo.id.in_(keys)))
                for photo_id in keys:
                    await record_event(session, "photo", photo_id, "photo.deleted", {"reason": "unreferenced"})
            if not keys:
                return count
            places += [(self.settings.originals_bucket, key) for key in keys.values()]
            for bucket, key in places:
                await self.storage.delete(bucket, key)
            SWEPT.labels("unreferenced").inc(len(keys))
            count += len(keys)

    async def temporary(self) -> int:
        """Objects and rows of single requests whose API was killed."""
        before = self.now - self.settings.temporary_retention
        async with sessions(self.database).begin() as session:
            await session.execute(
                delete(Photo).where(Photo.subject == PhotoSubject.EPHEMERAL, Photo.created_at < before)
            )
        count = 0
        async for info in self.storage.list(self.settings.originals_bucket, f"{EPHEMERAL_FOLDER}/"):
            if info.modified_at < before:
                await self.storage.delete(self.settings.originals_bucket, info.key)
                SWEPT.labels("temporary").inc()
                count += 1
        return count

    async def orphans(self) -> int:
        """Processed objects that no photo refers to."""
        bucket = self.settings.processed_bucket
        old = (info.key async for info in self.storage.list(bucket) if info.modified_at < self.now - ORPHAN_AGE)
        named = select(PhotoVariant.key).where(PhotoVariant.bucket == bucket)
        return await self._delete_unknown(bucket, old, named, PhotoVariant.key, "orphan")

    async def _delete_unknown(
        self,
        bucket: str,
        keys: AsyncIterable[str],
        named: Select[str],
        column: InstrumentedAttribute[str],
        kind: str,
    ) -> int:
        """Delete the objects whose keys no row names: one query for a batch of them."""
        count = 0
        async for batch in _batches(keys):
            async with sessions(self.database)() as session:
                known = set((await session.execute(named.where(column.in_(batch)))).scalars())
            for unknown in (key for key in batch if key not in known):
                await self.storage.delete(bucket, unknown)
                SWEPT.labels(kind).inc()
                count += 1
        return count


async def _batches(keys: AsyncIterable[str]) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for key in keys:
        batch.append(key)
        if len(batch) == _MAX_ASKED:
            yield batch
            batch = []
    if batch:
        yield batch


def _unreferenced(before: datetime) -> Select[UUID, str]:
    """Return the query of a batch of photos that no rating shows in any of their sizes."""
    shown = (
        select(PhotoVariant.id)
        .join(Rating, _file_name(func.split_part(Rating.photo_url, "?", 1)) == _file_name(PhotoVariant.key))
        .where(PhotoVariant.photo_id == Photo.id)
    )
    return (
        select(Photo.id, Photo.original_key)
        .where(
            Photo.subject == PhotoSubject.RATING,
            Photo.state.in_(_FINISHED),
            # What was withdrawn waits for a decision.
            Photo.visibility != Visibility.WITHDRAWN,
            Photo.finished_at < before,
            ~shown.exists(),
        )
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )


def _file_name(path: Any) -> Any:  # noqa: ANN401 - an SQL expression
    # Unguessable, and the same under each address that the API ever had.
    return func.substring(path, "[^/]+$")
