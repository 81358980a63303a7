"""Pages that are kept between crawls."""

import zlib
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page as it was fetched, with the validators that came with it; the body is unpacked."""

    etag: str | None
    last_modified: str | None
    content_type: str | None
    body: bytes


class StoredPages(Protocol):
    """Where fetched pages are kept between crawls."""

    async def find(self, url: str) -> StoredPage | None:
        """Return the page of an address, if one is kept."""

    async def keep(self, url: str, page: StoredPage) -> None:
        """Keep a page in place of an older one."""


def pack(body: bytes) -> bytes:
    """Return a body as it is stored."""
    return zlib.compress(body, 6)


def unpack(body: bytes) -> bytes:
    """Return a body as it was fetched."""
    return zlib.decompress(body)
