"""Published photos: what may be served, and whether the bytes are still what was published."""

from typing import Final

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.state import within
from loppestars_api.web.errors import Gone, NotFound, Unavailable
from loppestars_core.database.engine import sessions
from loppestars_core.photos import find_variant
from loppestars_core.photos.models import PhotoVariant, Visibility
from loppestars_core.storage import InvalidKey, ObjectNotFound, ObjectStream, ObjectTooLarge, Storage

log = structlog.get_logger(__name__)

# Whatever the limit of uploads is or becomes: what has been published is served.
MAX_SERVED_BYTES: Final = 1024**3
NO_SUCH_FILE: Final = "There is no such file."
DAMAGED: Final = Counter(
    "loppestars_published_photos_damaged_total", "Requests for published photos without their bytes", ["kind"]
)
_DATABASE_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 300


class FileService:
    """Stored objects for readers."""

    def __init__(self, engine: AsyncEngine, storage: Storage) -> None:
        self._sessions = sessions(engine)
        self._storage = storage

    async def published(self, bucket: str, key: str) -> PhotoVariant:
        """Return what is published under this key. Raise `NotFound`, or `Gone` for a photo that was withdrawn."""
        found = await within(_DATABASE_SECONDS, self._find(bucket, key))
        if found is None:
            raise NotFound(NO_SUCH_FILE)
        variant, visibility = found
        if visibility is not Visibility.PUBLIC:
            raise Gone("The photo was withdrawn.")
        return variant

    async def open(self, bucket: str, key: str) -> ObjectStream:
        """Open any stored object. Raise `NotFound`."""
        try:
            return await self._storage.open(bucket, key, MAX_SERVED_BYTES)
        except (ObjectNotFound, InvalidKey, ObjectTooLarge):
            raise NotFound(NO_SUCH_FILE) from None

    async def open_published(self, variant: PhotoVariant) -> ObjectStream:
        """Open what was published, whole. Raise `NotFound` where it is gone, `Unavailable` where it is damaged."""
        try:
            stream = await self.open(variant.bucket, variant.key)
        except NotFound:
            self._report(variant, "gone")
            raise
        if stream.size != variant.bytes:
            await stream.close()
            self._report(variant, "damaged")
            raise Unavailable("The stored photo is damaged and not served.", _RETRY_SECONDS)
        return stream

    async def _find(self, bucket: str, key: str) -> tuple[PhotoVariant, Visibility] | None:
        async with self._sessions() as session:
            return await find_variant(session, bucket, key)

    def _report(self, variant: PhotoVariant, kind: str) -> None:
        DAMAGED.labels(kind).inc()
        log.error("published_photo_damaged", kind=kind, photo_id=str(variant.photo_id))
