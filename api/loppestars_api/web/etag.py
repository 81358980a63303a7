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


def cached_response(body: bytes, request_headers: Headers) -> Response:
    """Return `body` as JSON with an ETag, or 304 when the request names that ETag.

    The tag is weak: compression on the way changes the bytes, not the meaning.
    """
    tag = blake2b(body, digest_size=12).hexdigest()
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": CACHE_CONTROL}
    known = request_headers.get("if-none-match", "")[:MAX_HEADER_CHARACTERS]
    if known.strip() == "*" or tag in _TAG.findall(known):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**headers, "Vary": "Accept-Encoding"})
    return Response(body, HTTPStatus.OK, headers, media_type="application/json")
