"""`/process-face`: photos sent in a request, answered with the result, and gone afterwards.

They reach imaging the way every photo does. Their bytes lie in private storage while the request lasts; whatever
becomes of it, they are deleted, and what a killed process leaves is swept by imaging.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.access.principal import Principal
from loppestars_api.photos.outcomes import Finished
from loppestars_api.web.negotiation import accepted
from loppestars_core.database.engine import sessions
from loppestars_core.photos import PhotoOptions, PhotoRequest, forget_photo, request_photo
from loppestars_core.photos.ephemeral import ephemeral_original_key, ephemeral_result_key
from loppestars_core.photos.models import PhotoSubject
from loppestars_core.storage import ObjectStream, Storage, StorageError

log = structlog.get_logger(__name__)

Output = Literal["jpeg", "same"]

# A photo of 50 megapixels as PNG, which is the largest that imaging makes.
MAX_RESULT_BYTES: Final = 256 * 1024 * 1024


def negotiate(accept: str | None) -> Output:
    """Return `jpeg` where the caller asks for image/jpeg above all others, else the format that was sent."""
    images = [name for name in accepted(accept) if name.startswith("image/")]
    return "jpeg" if images and images[0] == "image/jpeg" else "same"


class EphemeralPhotos:
    """Photos of one request; `bucket` is private."""

    def __init__(self, engine: AsyncEngine, storage: Storage, bucket: str, max_result_bytes: int) -> None:
        self._sessions = sessions(engine)
        self._storage = storage
        self._bucket = bucket
        self._max_result_bytes = max_result_bytes

    @asynccontextmanager
    async def gone_afterwards(self) -> AsyncIterator[uuid.UUID]:
        """Yield the id of a photo of which nothing is left afterwards, also when the caller has gone."""
        photo_id = uuid.uuid4()
        try:
            yield photo_id
        finally:
            await asyncio.shield(self._forget(photo_id))

    async def keep(self, photo_id: uuid.UUID, data: bytes) -> None:
        """Put the bytes where imaging finds them."""
        # What they are is for imaging to find out; nobody serves them under this type.
        await self._storage.put(self._bucket, ephemeral_original_key(photo_id), data, "application/octet-stream")

    async def request(self, photo_id: uuid.UUID, caller: Principal, options: PhotoOptions) -> None:
        """Write the photo and its job in one transaction."""
        wanted = PhotoRequest(
            original_key=ephemeral_original_key(photo_id),
            owner_id=None if caller.anonymous else caller.id,
            options=options,
            subject=PhotoSubject.EPHEMERAL,
            photo_id=photo_id,
        )
        async with self._sessions.begin() as session:
            await request_photo(session, wanted)

    async def open_result(self, finished: Finished) -> ObjectStream:
        """Open the result; the caller closes it."""
        return await self._storage.open(finished.result.bucket, finished.result.key, self._max_result_bytes)

    async def _forget(self, photo_id: uuid.UUID) -> None:
        try:
            async with self._sessions.begin() as session:
                await forget_photo(session, photo_id)
            for key in (ephemeral_original_key(photo_id), ephemeral_result_key(photo_id)):
                await self._storage.delete(self._bucket, key)
        except (SQLAlchemyError, StorageError, OSError) as error:
            log.warning("ephemeral_photo_left_for_sweep", photo_id=str(photo_id), error=type(error).__name__)
