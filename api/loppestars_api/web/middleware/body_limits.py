"""Refuses a request body while it arrives: too large, or too slow.

A body is counted as it streams in, so one of 60 MB costs no memory; where its length is announced it is refused
before its first byte. The rest that a client still sends is thrown away by the server.
"""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loppestars_api.web.errors import BodyTooSlow, TooLarge
from loppestars_api.web.headers import header

# Slower than the worst mobile network; whoever sends like this wants to hold a place.
MIN_BYTES_PER_SECOND: Final = 8 * 1024
GRACE_SECONDS: Final = 10.0
_BODYLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyLimitMiddleware:
    """`limits` maps a path to the most bytes its body may have; other paths take `default`.

    A path that ends with a slash stands for all that begin with it.

    Raises `TooLarge` and `BodyTooSlow` from `receive`, in the middle of whoever reads the body.
    """

    def __init__(self, app: ASGIApp, *, default: int, limits: Mapping[str, int], silence_seconds: float) -> None:
        self._app = app
        self._default = default
        self._limits = dict(limits)
        self._prefixes = tuple((path, limit) for path, limit in limits.items() if path.endswith("/"))
        self._silence = silence_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODYLESS:
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        under = (limit for prefix, limit in self._prefixes if path.startswith(prefix))
        limit = self._limits[path] if path in self._limits else next(under, self._default)
        length = header(scope, b"content-length") or ""
        announced = int(length) if length.isdecimal() and length.isascii() else None
        received = 0
        complete = False
        waited = 0.0

        async def receive_within_limits() -> Message:
            nonlocal received, complete, waited
            if announced is not None and announced > limit:
                raise _too_large(limit)
            if complete:  # waiting for a disconnect, which may rightly take long
                return await receive()
            began = monotonic()
            try:
                message = await asyncio.wait_for(receive(), self._silence)
            except TimeoutError:
                raise BodyTooSlow(f"No part of the body arrived for {self._silence:g} seconds.") from None
            # Only the time in which we wait for the client: it does not send while we are busy.
            waited += monotonic() - began
            if message["type"] == "http.request":
                complete = not message.get("more_body", False)
                received += len(message.get("body", b""))
                if not complete and waited > GRACE_SECONDS and received < waited * MIN_BYTES_PER_SECOND:
                    raise BodyTooSlow(f"The body arrives with less than {MIN_BYTES_PER_SECOND} bytes per second.")
                if received > limit:
                    raise _too_large(limit)
            return message

        await self._app(scope, receive_within_limits, send)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the limit of {limit} bytes.")
