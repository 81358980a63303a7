"""A person's copy of their data as one ZIP, written while it is sent: its size never matters to the memory."""

import json
import zipfile
from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.privacy.export import exported_tables, rows_of_person
from loppestars_core.privacy.people import Tables
from loppestars_core.storage import ObjectNotFound, ObjectTooLarge, Storage
from loppestars_core.storage.interface import CHUNK_BYTES

# More than any upload limit allows.
_MAX_PHOTO_BYTES: Final = 1024**3


class _Outlet:
    """What `zipfile` writes to: it cannot seek, so each file's size follows its bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: whoever reads takes all there is."""

    def close(self) -> None:
        """Do nothing: there is nothing open."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return data


async def archive_person(
    engine: AsyncEngine, tables: Tables, storage: Storage, buckets: tuple[str, str], user_id: str
) -> AsyncIterator[bytes]:
    """Yield the bytes of a ZIP: `data.json` with every row by table, and the person's photos by bucket and key.

    `buckets` are those of originals and of processed photos. A photo whose bytes are gone is left out.
    """
    outlet = _Outlet()
    # Photos are compressed already.
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        async for _ in _parts(engine, tables, storage, buckets, user_id, archive):
            if outlet.size >= CHUNK_BYTES:
                yield outlet.taken()
    yield outlet.taken()


async def _parts(  # noqa: PLR0913, PLR0917 - where everything of a person may be
    engine: AsyncEngine,
    tables: Tables,
    storage: Storage,
    buckets: tuple[str, str],
    user_id: str,
    archive: zipfile.ZipFile,
) -> AsyncIterator[None]:
    """Write the files of the archive; yield each time there may be something to send."""
    async for _ in _document(engine, tables, user_id, archive):
        yield
    for bucket in buckets:
        async for info in storage.list(bucket, f"{user_id}/"):
            async for _ in _photo(archive, storage, bucket, info.key):
                yield


async def _document(engine: AsyncEngine, tables: Tables, user_id: str, archive: zipfile.ZipFile) -> AsyncIterator[None]:
    """Write `data.json` row by row."""
    entry = zipfile.ZipInfo("data.json")
    entry.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(entry, "w") as file:
        for number, name in enumerate(exported_tables()):
            file.write(f"{',' if number else '{'}\n  {json.dumps(name)}: [".encode())
            comma = ""
            async for row in rows_of_person(engine, tables, name, user_id):
                file.write(f"{comma}\n    {json.dumps(row, ensure_ascii=False, default=str)}".encode())
                comma = ","
                yield
            file.write(b"]")
        file.write(b"\n}\n")


async def _photo(archive: zipfile.ZipFile, storage: Storage, bucket: str, key: str) -> AsyncIterator[None]:
    try:
        stream = await storage.open(bucket, key, _MAX_PHOTO_BYTES)
    except (ObjectNotFound, ObjectTooLarge):
        return
    try:
        with archive.open(zipfile.ZipInfo(f"{bucket}/{key}"), "w", force_zip64=True) as file:
            while chunk := await stream.read():
                file.write(chunk)
                yield
    finally:
        await stream.close()
