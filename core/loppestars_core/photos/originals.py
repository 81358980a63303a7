"""Originals in their private bucket: each owner has a folder of their own and sees nothing else.

Whoever calls this knows who asks; nothing here depends on how they said so.
"""

import os
from collections.abc import Collection
from tempfile import SpooledTemporaryFile
from typing import IO, Final, cast

from loppestars_core.photos.formats import SIGNATURE_BYTES, media_type
from loppestars_core.storage import ObjectExists, ObjectInfo, ObjectNotFound, ObjectStream, Storage
from loppestars_core.storage.interface import check_key

# What phones and browsers upload; what can be read of other formats is for single requests.
UPLOADED_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
# A folder with more is listed as far as this.
MAX_LISTED: Final = 10_000
# More of a copy is on disk while it is made.
_SPOOLED_BYTES: Final = 1024 * 1024


class OriginalError(Exception):
    """An original was refused."""


class NotTheirFolder(OriginalError):
    """The key is not in the owner's folder."""


class NotAPhoto(OriginalError):
    """The bytes are not a photo of a kind that is taken; the message is what they are."""


class OriginalTooLarge(OriginalError):
    """The file has more bytes than an original may have."""


class Originals:
    """What owners keep in `bucket`. Methods may also raise the errors of storage."""

    def __init__(self, storage: Storage, bucket: str, max_bytes: int) -> None:
        self._storage = storage
        self._bucket = bucket
        self._max_bytes = max_bytes

    async def check_new(self, owner_id: str, key: str, *, replace: bool) -> None:
        """Refuse what can be refused before the file has come."""
        check_folder(owner_id, key)
        if replace:
            return
        try:
            await self._storage.stat(self._bucket, key)
        except ObjectNotFound:
            return
        raise ObjectExists("there is such an original already")

    async def store(self, owner_id: str, key: str, file: IO[bytes], *, replace: bool) -> None:
        """Keep a file, whole or not at all. Raise `OriginalError`, or `ObjectExists` without `replace`."""
        check_folder(owner_id, key)
        if file.seek(0, os.SEEK_END) > self._max_bytes:
            raise OriginalTooLarge(f"at most {self._max_bytes} bytes are accepted")
        file.seek(0)
        found = media_type(file.read(SIGNATURE_BYTES))
        if found not in UPLOADED_TYPES:
            raise NotAPhoto(found)
        await self._storage.put_file(self._bucket, key, file, found, replace=replace)

    async def open(self, owner_id: str, key: str) -> ObjectStream:
        """Open an original of the owner; those of others do not exist for them."""
        return await self._storage.open(self._bucket, _own(owner_id, key), self._max_bytes)

    async def stat(self, owner_id: str, key: str) -> ObjectInfo:
        """Return what is known of an original of the owner."""
        return await self._storage.stat(self._bucket, _own(owner_id, key))

    async def copy(self, owner_id: str, key: str, to: str, *, replace: bool) -> None:
        """Store an original of the owner under another key as well."""
        check_folder(owner_id, to)
        stream = await self.open(owner_id, key)
        try:
            with SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as file:
                while chunk := await stream.read():
                    file.write(chunk)
                await self.store(owner_id, to, cast("IO[bytes]", file), replace=replace)
        finally:
            await stream.close()

    async def delete(self, owner_id: str, keys: Collection[str]) -> list[ObjectInfo]:
        """Delete those that are the owner's and exist; return what they were."""
        if not any(key.startswith(f"{owner_id}/") for key in keys):
            return []
        wanted = set(keys)
        deleted = [info for info in await self.list(owner_id, "") if info.key in wanted]
        for info in deleted:
            await self._storage.delete(self._bucket, info.key)
        return deleted

    async def list(self, owner_id: str, prefix: str) -> list[ObjectInfo]:
        """Return the owner's originals below `prefix`, by key."""
        folder = f"{owner_id}/"
        if not owner_id or not (folder.startswith(prefix) or prefix.startswith(folder)):
            return []
        check_key(prefix.strip("/") or owner_id)
        found = []
        async for info in self._storage.list(self._bucket, max(folder, prefix, key=len)):
            found.append(info)
            if len(found) == MAX_LISTED:
                break
        return sorted(found, key=lambda info: info.key)


def check_folder(owner_id: str, key: str) -> None:
    """Raise `NotTheirFolder` unless the key is below the owner's own folder."""
    if not owner_id or not key.startswith(f"{owner_id}/"):
        raise NotTheirFolder("an original is stored in the folder of its owner")


def _own(owner_id: str, key: str) -> str:
    try:
        check_folder(owner_id, key)
    except NotTheirFolder:
        raise ObjectNotFound("there is no such object") from None
    return key
