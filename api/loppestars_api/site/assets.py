"""The files of the page: read once, named with their content, kept by browsers for as long as they like."""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}\.(css|js|svg|png|webmanifest)")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and a short name of its content."""

    body: bytes
    version: str
    media_type: str


@cache
def asset(name: str) -> Asset | None:
    """Return a file of the page; None where there is none of that name."""
    kind = _NAME.fullmatch(name)
    path = files("loppestars_api.site") / "assets" / name
    if kind is None or not path.is_file():
        return None
    body = path.read_bytes()
    return Asset(body, blake2b(body, digest_size=6).hexdigest(), MEDIA_TYPES[kind[1]])
