"""`loppestars-imaging sweep`: delete what must not stay. One finite run; safe to repeat, to kill, to run twice at once.

- originals of finished photos, `ORIGINALS_RETENTION` after they were finished, and originals that nobody asked to
  process, as long after they were stored;
- objects of single requests, `TEMPORARY_RETENTION` after they were stored, and their rows;
- processed objects that no photo refers to (their worker was killed between writing and recording), after an hour.

Rows of tables whose time is over are deleted by `loppestars-jobs`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.clock import now_utc
from loppestars_core.photos.ephemeral import EPHEMERAL_FOLDER
from loppestars_core.photos.models import Photo, PhotoState, PhotoSubject, PhotoVariant
from loppestars_core.storage import Storage, open_storage
from loppestars_imaging.metrics import SWEPT
from loppestars_imaging.settings import ImagingSettings

log = structlog.get_logger(__name__)

ORPHAN_AGE: Final = timedelta(hours=1)
_BATCH: Final = 500
_FINISHED: Final = [PhotoState.COMPLETED, PhotoState.NO_FACES, PhotoState.FAILED]


@dataclass(frozen=True, slots=True)
class Swept:
    """How many objects and rows were deleted."""

    originals: int
    temporary: int
    orphans: int


async def sweep(settings: ImagingSettings) -> Swept:
    """Sweep once. Raises StorageUnavailable or a database error; what was done until then stays done."""
    database = create_engine(settings, application="loppestars-sweep")
    try:
        sweeper = _Sweeper(settings, database, open_storage(settings), now_utc())
        swept = Swept(
            originals=await sweeper.recorded_originals() + await sweeper.forgotten_originals(),
            temporary=await sweeper.temporary(),
            orphans=await sweeper.orphans(),
        )
    finally:
        await database.dispose()
    log.info("swept", originals=swept.originals, temporary=swept.temporary, orphans=swept.orphans)
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
        before = self.now - self.settings.originals_retention
        count = 0
        async for info in self.storage.list(self.settings.originals_bucket):
            if info.modified_at >= before or info.key.startswith(f"{EPHEMERAL_FOLDER}/"):
                continue
            if not await self._known(select(Photo.id).where(Photo.original_key == info.key)):
                await self.storage.delete(self.settings.originals_bucket, info.key)
                SWEPT.labels("original").inc()
                count += 1
        return count

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
        count = 0
        bucket = self.settings.processed_bucket
        async for info in self.storage.list(bucket):
            if info.modified_at >= self.now - ORPHAN_AGE:
                continue
            if not await self._known(
                select(PhotoVariant.id).where(PhotoVariant.bucket == bucket, PhotoVariant.key == info.key)
            ):
                await self.storage.delete(bucket, info.key)
                SWEPT.labels("orphan").inc()
                count += 1
        return count

    async def _known(self, query: object) -> bool:
        async with sessions(self.database)() as session:
            return (await session.execute(query)).first() is not None  # type: ignore[call-overload]
