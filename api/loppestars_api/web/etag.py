"""Validators of market lists: a client that has the list already gets a 304 without it."""

import re
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response

# Markets change a few times a day, at the end of a crawl; a list a minute old is as good as a fresh one.
CACHE_CONTROL: Final = "public, max-age=60"
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
MAX_HEADER_CHARACTERS: Final = 4096


def cached_response(
    body: bytes, request_headers: Headers, *, media_type: str = "application/json", vary: str | None = None
) -> Response:
    """Return `body` with an ETag, or 304 when the request names that ETag. `vary` names headers that it depends on.

    The tag is weak: compression on the way changes the bytes, not the meaning.
    """
    tag = tag_of(body)
    headers = {**validators(tag), "Vary": vary} if vary else validators(tag)
    if is_known(tag, request_headers):
        varied = "Accept-Encoding" if vary is None else f"{vary}, Accept-Encoding"
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**headers, "Vary": varied})
    return Response(body, HTTPStatus.OK, headers, media_type=media_type)


def tag_of(*parts: bytes) -> str:
    """Return the tag of what `parts` stand for."""
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def validators(tag: str) -> dict[str, str]:
    """Return the headers by which a client asks again."""
    return {"ETag": f'W/"{tag}"', "Cache-Control": CACHE_CONTROL}


def is_known(tag: str, request_headers: Headers) -> bool:
    """Return whether the client has what `tag` stands for."""
    known = request_headers.get("if-none-match", "")[:MAX_HEADER_CHARACTERS]
    return known.strip() == "*" or tag in _TAG.findall(known)
