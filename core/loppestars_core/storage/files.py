"""Storage in a folder: `<root>/<bucket>/<key>`. For one machine."""

import asyncio
import contextlib
import io
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeVar

from loppestars_core.storage.interface import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    ObjectStream,
    ObjectTooLarge,
    StorageUnavailable,
    check_key,
)
from loppestars_core.storage.links import public_link, signed_link

Result = TypeVar("Result")
# Names of objects never start with a dot, so a file that is still being written is never listed or read.
_PARTIAL: Final = ".partial-"
_MAX_TRIES: Final = 8


class FileStorage:
    """Objects as files; their links are served by the API at `base_url`."""

    def __init__(self, root: Path, base_url: str, signing_secret: bytes) -> None:
        self._root = root
        self._base_url = base_url
        self._secret = signing_secret

    async def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        await self.put_file(bucket, key, io.BytesIO(data), content_type, replace=True)

    async def put_file(
        self,
        bucket: str,
        key: str,
        file: IO[bytes],
        content_type: str,  # noqa: ARG002 - known by bytes
        *,
        replace: bool,
    ) -> None:
        try:
            await _in_thread(lambda: _write_whole(self._path(bucket, key), file, replace=replace))
        except ObjectNotFound:
            raise StorageUnavailable("the storage folder cannot be used: it cannot be made") from None

    async def get(self, bucket: str, key: str, max_bytes: int) -> bytes:
        return await _in_thread(lambda: _read(self._path(bucket, key), max_bytes))

    async def open(self, bucket: str, key: str, max_bytes: int) -> ObjectStream:
        file, size = await _in_thread(lambda: _open(self._path(bucket, key), max_bytes))
        return ObjectStream(
            size, lambda count: _in_thread(lambda: file.read(count)), lambda: asyncio.to_thread(file.close)
        )

    async def stat(self, bucket: str, key: str) -> ObjectInfo:
        return await _in_thread(lambda: _info(self._path(bucket, key), key))

    async def delete(self, bucket: str, key: str) -> None:
        await _in_thread(lambda: _delete(self._path(bucket, key), self._root / bucket))

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        found = await _in_thread(lambda: list(self._walk(bucket, prefix)))
        for info in found:
            yield info

    async def signed_url(self, bucket: str, key: str, expires_in: timedelta) -> str:
        return signed_link(self._base_url, bucket, check_key(key), expires_in, self._secret)

    def public_url(self, bucket: str, key: str) -> str:
        return public_link(self._base_url, bucket, check_key(key))

    async def check(self, bucket: str) -> None:
        folder = self._root / bucket

        def write_probe() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f"{_PARTIAL}{secrets.token_hex(8)}"
            try:
                probe.write_bytes(b"x")
            finally:
                probe.unlink(missing_ok=True)

        await _in_thread(write_probe)

    def _path(self, bucket: str, key: str) -> Path:
        folder = self._root / bucket
        # Such an object is not missing: nothing can be known of it.
        if folder.exists() and not folder.is_dir():
            raise StorageUnavailable(f"the storage folder cannot be used: {bucket} is a file")
        return folder / check_key(key)

    def _walk(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        top = self._root / bucket
        if prefix.strip("/"):
            check_key(prefix.strip("/"))
        # Only the folder that holds the prefix is walked.
        start = top / prefix.rpartition("/")[0]
        for folder, folders, names in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(top).as_posix()
                if not name.startswith(".") and key.startswith(prefix):
                    try:
                        yield _info(path, key)
                    except ObjectNotFound:
                        continue  # deleted meanwhile


async def _in_thread(action: Callable[[], Result]) -> Result:
    """Run file work off the event loop, and say what an operating system error means for the caller."""
    try:
        return await asyncio.to_thread(action)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ObjectNotFound("there is no such object") from None
    except FileExistsError:
        raise ObjectExists("there is such an object already") from None
    except OSError as error:
        raise StorageUnavailable(f"the storage folder cannot be used: {error.strerror}") from error


def _write_whole(path: Path, source: IO[bytes], *, replace: bool) -> None:
    partial = path.parent / f"{_PARTIAL}{secrets.token_hex(8)}"
    try:
        for _ in range(_MAX_TRIES):
            # A deletion next to it may take the folder away at any moment.
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.touch(exist_ok=False)
                break
        with partial.open("r+b") as file:
            source.seek(0)
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            partial.replace(path)
        else:
            path.hardlink_to(partial)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _delete(path: Path, bucket: Path) -> None:
    """Delete a file, and the folders that it leaves empty."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for folder in path.parents:
            if folder == bucket:
                return
            folder.rmdir()


def _read(path: Path, max_bytes: int) -> bytes:
    file, _ = _open(path, max_bytes)
    with file:
        return file.read(max_bytes + 1)


def _open(path: Path, max_bytes: int) -> tuple[BinaryIO, int]:
    """Open the file and its size; an object is never written in place, so the size stays true."""
    file = path.open("rb")
    size = os.fstat(file.fileno()).st_size
    if size > max_bytes:
        file.close()
        raise ObjectTooLarge(size, max_bytes)
    return file, size


def _info(path: Path, key: str) -> ObjectInfo:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ObjectNotFound("there is no such object") from None
    return ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
