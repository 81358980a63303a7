"""The interface of storage and its errors.

StorageError
├── ObjectNotFound       there is no such object
├── ObjectTooLarge       the object is larger than the caller accepts; nothing was read
├── ObjectExists         there is an object of that key already; it was not touched
├── InvalidKey           the key can name no object; nothing was touched
└── StorageUnavailable   the server is down, the disk is full, access was refused: worth another try later
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Final, Protocol

# A segment never starts with a dot: no way up, and no collision with temporary files of our own.
_SEGMENT: Final = re.compile(r"[^/\\\x00-\x1f\x7f.][^/\\\x00-\x1f\x7f]{0,200}")
_MAX_KEY: Final = 900
# Of a file's name on every file system in use, in bytes: 200 letters of some scripts are more.
_MAX_SEGMENT: Final = 255
CHUNK_BYTES: Final = 256 * 1024


class StorageError(Exception):
    """Something about a stored object went wrong."""


class ObjectNotFound(StorageError):
    """There is no such object."""


class ObjectTooLarge(StorageError):
    """The object is larger than the caller accepts."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes, at most {limit} are accepted")
        self.size = size
        self.limit = limit


class ObjectExists(StorageError):
    """There is an object of that key already."""


class InvalidKey(StorageError):
    """The key can name no object."""


class StorageUnavailable(StorageError):
    """Storage cannot be used now; the same call may succeed later."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object without its bytes. `size` in bytes, `modified_at` aware."""

    key: str
    size: int
    modified_at: datetime


class ObjectStream:
    """An opened object, read once from its start to its end: one chunk is in memory at a time.

    Attributes:
        size: bytes of the whole object.

    Reading may raise `StorageUnavailable`. Whoever opens it closes it, also after an error; closing again is fine.
    """

    def __init__(
        self, size: int, read: Callable[[int], Awaitable[bytes]], close: Callable[[], Awaitable[None]]
    ) -> None:
        self.size = size
        self._read = read
        self._close: Callable[[], Awaitable[None]] | None = close

    async def read(self) -> bytes:
        """Return the next chunk, of `CHUNK_BYTES` at most; empty at the end."""
        return await self._read(CHUNK_BYTES)

    async def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            await close()


class Storage(Protocol):
    """Buckets of objects. Every method may raise `StorageUnavailable`, and `InvalidKey` for an impossible key."""

    async def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write the object whole or not at all; an object of that key is replaced."""

    async def put_file(self, bucket: str, key: str, file: IO[bytes], content_type: str, *, replace: bool) -> None:
        """Like `put`, from a file that is read from its start; without `replace` raise `ObjectExists`."""

    async def get(self, bucket: str, key: str, max_bytes: int) -> bytes:
        """Read the object; raise `ObjectNotFound`, or `ObjectTooLarge` before any byte beyond the limit is read."""

    async def open(self, bucket: str, key: str, max_bytes: int) -> ObjectStream:
        """Like `get`, for objects that are passed on rather than looked at."""

    async def stat(self, bucket: str, key: str) -> ObjectInfo:
        """Raise `ObjectNotFound` where there is none."""

    async def delete(self, bucket: str, key: str) -> None:
        """Delete the object; none of that key is fine."""

    def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Yield all objects whose key starts with `prefix`, in no particular order."""

    async def signed_url(self, bucket: str, key: str, expires_in: timedelta) -> str:
        """Return a link that reads the object until it expires."""

    def public_url(self, bucket: str, key: str) -> str:
        """Return the stable link of a public object (the processed bucket's)."""

    async def check(self, bucket: str) -> None:
        """Raise `StorageUnavailable` unless the bucket can be used now."""


def check_key(key: str) -> str:
    """`key`, if it is a relative path of plain segments; else raise `InvalidKey`."""
    too_long = len(key.encode("utf-8", "replace")) > _MAX_KEY
    if too_long or not all(
        _SEGMENT.fullmatch(part) and len(part.encode("utf-8", "replace")) <= _MAX_SEGMENT for part in key.split("/")
    ):
        raise InvalidKey("a key is a relative path of plain segments")
    return key
