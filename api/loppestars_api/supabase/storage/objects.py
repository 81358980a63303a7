"""Objects as a caller may read them: their own originals, and processed photos that are public."""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from loppestars_api.files.service import FileService
from loppestars_api.supabase.storage.errors import no_such_object, refusals
from loppestars_api.web.errors import Gone, NotFound
from loppestars_core.photos.originals import Originals
from loppestars_core.storage import ObjectInfo, ObjectStream

CACHE_CONTROL: Final = "private, no-store"
_NAMES: Final = uuid.uuid5(uuid.NAMESPACE_URL, "loppestars:storage")


def object_id(bucket: str, key: str) -> str:
    """Return the id of an object: the same as long as it has the same name."""
    return str(uuid.uuid5(_NAMES, f"{bucket}/{key}"))


def entity_tag(info: ObjectInfo) -> str:
    """Return a tag that changes with the object."""
    mark = f"{info.key} {info.size} {info.modified_at.timestamp()}"
    return f'"{hashlib.sha256(mark.encode("utf-8", "replace")).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that the caller may read; `open` reads it."""

    bucket: str
    key: str
    size: int
    modified_at: datetime
    tag: str
    open: Callable[[], Awaitable[ObjectStream]]

    @property
    def headers(self) -> dict[str, str]:
        modified = format_datetime(self.modified_at.astimezone(UTC), usegmt=True)
        return {"ETag": self.tag, "Last-Modified": modified, "Cache-Control": CACHE_CONTROL, "X-Robots-Tag": "none"}

    def description(self, content_type: str) -> dict[str, Any]:
        """Return what `info` answers."""
        at = self.modified_at.isoformat()
        return {
            "id": object_id(self.bucket, self.key),
            "version": self.tag.strip('"'),
            "name": self.key,
            "bucket_id": self.bucket,
            "size": self.size,
            "content_type": content_type,
            "cache_control": CACHE_CONTROL,
            "etag": self.tag,
            "metadata": {},
            "last_modified": at,
            "created_at": at,
        }


class ObjectReader:
    """Finds objects for callers."""

    def __init__(self, originals: Originals, originals_bucket: str, files: FileService) -> None:
        self._originals = originals
        self._originals_bucket = originals_bucket
        self._files = files

    async def find(self, user_id: str, bucket: str, key: str) -> StoredObject:
        """Return the object, if the user may read it; else it does not exist."""
        if bucket == self._originals_bucket:
            return await self._original(user_id, key)
        try:
            variant = await self._files.published(bucket, key)
        except (NotFound, Gone):
            raise no_such_object() from None

        async def open_published() -> ObjectStream:
            return await self._files.open_published(variant)

        tag = f'"{variant.id}-{variant.bytes}"'
        return StoredObject(bucket, key, variant.bytes, variant.created_at, tag, open_published)

    async def _original(self, user_id: str, key: str) -> StoredObject:
        with refusals(key):
            info = await self._originals.stat(user_id, key)

        async def open_original() -> ObjectStream:
            with refusals(key):
                return await self._originals.open(user_id, key)

        bucket = self._originals_bucket
        return StoredObject(bucket, key, info.size, info.modified_at, entity_tag(info), open_original)
