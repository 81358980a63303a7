"""Validators of market lists: a client that has the list already gets a 304 without it."""

import re
from hashlib import blake2b

from starlette.datastructures import Headers
from starlette.responses import Response

# Markets change a few times a day, at the end of a crawl; a list a minute old is as good as a fresh one.
CACHE_CONTROL = "public, max-age=60"
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def cached_response(body: bytes, request_headers: Headers) -> Response:
    """`body` as JSON with an ETag, or 304 when the request names that ETag.

    The tag is weak: compression on the way changes the bytes, not the meaning.
    """
    tag = blake2b(body, digest_size=12).hexdigest()
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": CACHE_CONTROL}
    known = request_headers.get("if-none-match")
    if known is not None and (known.strip() == "*" or tag in _TAG.findall(known)):
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    return Response(body, 200, headers, media_type="application/json")
