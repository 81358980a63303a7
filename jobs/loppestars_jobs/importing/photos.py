"""Old photos go through the blur: each is shown when its faces are hidden, under a new address."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import requests
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.engine import sessions
from loppestars_core.photos import PhotoOptions, PhotoRequest, find_photo, photo_of_original, request_photo
from loppestars_core.photos.models import PhotoState, Visibility
from loppestars_core.ratings.models import Rating
from loppestars_core.storage import Storage
from loppestars_jobs.importing.conversion import old_photo, original_key
from loppestars_jobs.importing.rows import Count

BUCKETS: Final = ("stall-photos", "stall-photos-processed")
MAX_PHOTO_BYTES: Final = 50 * 1024 * 1024
_TIMEOUT_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.5


class OldPhotos:
    """The old buckets: a folder `{bucket}/{user}/{file}`, or the public address under which they are served."""

    def __init__(self, place: str) -> None:
        self._place = place.rstrip("/")

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a photo, of the unprocessed one first; None where there are none. Blocks."""
        for bucket in BUCKETS:
            data = self._read(f"{bucket}/{key}")
            if data:
                return data
        return None

    def _read(self, path: str) -> bytes | None:
        if not self._place.startswith(("http://", "https://")):
            root, found = Path(self._place).resolve(), Path(self._place, path).resolve()
            inside = found.is_relative_to(root) and found.is_file() and found.stat().st_size <= MAX_PHOTO_BYTES
            return found.read_bytes() if inside else None
        with requests.get(f"{self._place}/{quote(path)}", timeout=_TIMEOUT_SECONDS, stream=True) as answer:
            if answer.status_code != HTTPStatus.OK:
                return None
            data = answer.raw.read(MAX_PHOTO_BYTES + 1, decode_content=True)
            return data if len(data) <= MAX_PHOTO_BYTES else None


@dataclass(frozen=True, slots=True)
class PhotoImport:
    """Photos of ratings that have been taken over."""

    engine: AsyncEngine
    storage: Storage
    bucket: str
    count: Count = field(default_factory=Count)

    async def request(self, old: OldPhotos, ratings: Sequence[dict[str, Any]]) -> dict[uuid.UUID, uuid.UUID]:
        """Have each old photo processed, once; return the photo of each rating that has no address yet."""
        wanted: dict[uuid.UUID, uuid.UUID] = {}
        for rating in ratings:
            key = old_photo(rating["photo_url"])
            if key is None:
                continue
            self.count.read += 1
            missing = select(Rating.id).where(Rating.id == rating["id"], Rating.photo_url.is_(None))
            async with sessions(self.engine)() as session:
                if (await session.execute(missing)).first() is None:
                    continue
            photo = await self._photo(old, key, rating["user_id"])
            if photo is None:
                self.count.left_out["not in the old bucket"] += 1
            else:
                wanted[rating["id"]] = photo
        return wanted

    async def finish(self, wanted: dict[uuid.UUID, uuid.UUID], wait_seconds: float) -> None:
        """Wait for the photos and write their addresses; what is not finished in time is for the next run."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        open_ones = dict(wanted)
        while open_ones:
            for rating_id, photo_id in list(open_ones.items()):
                if await self._settled(rating_id, photo_id):
                    del open_ones[rating_id]
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_LOOK_SECONDS if open_ones else 0)
        if open_ones:
            self.count.left_out["not processed yet: run it again"] += len(open_ones)

    async def _photo(self, old: OldPhotos, key: str, user_id: str) -> uuid.UUID | None:
        new_key = original_key(user_id, key)
        async with sessions(self.engine)() as session:
            known = await photo_of_original(session, new_key)
        if known is not None:
            return known.id
        data = await asyncio.to_thread(old.read, key)
        if data is None:
            return None
        # The type is read from the bytes by whoever processes them.
        await self.storage.put(self.bucket, new_key, data, "image/jpeg")
        async with sessions(self.engine).begin() as session:
            return (await request_photo(session, PhotoRequest(new_key, user_id, PhotoOptions()))).id

    async def _settled(self, rating_id: uuid.UUID, photo_id: uuid.UUID) -> bool:
        async with sessions(self.engine).begin() as session:
            found = await find_photo(session, photo_id)
            if found is None:
                return True
            photo, result = found
            if not PhotoState(photo.state).finished:
                return False
            if result is None or photo.visibility != Visibility.PUBLIC:
                self.count.left_out["could not be shown"] += 1
                return True
            url = self.storage.public_url(result.bucket, result.key)
            mine = update(Rating).where(Rating.id == rating_id, Rating.photo_url.is_(None))
            await session.execute(mine.values(photo_url=url, updated_at=func.now()))
            self.count.written += 1
            return True
