"""Accept headers: what a client takes, by preference."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_HEADER_CHARACTERS: Final = 2048


def weights(header: str | None) -> dict[str, float]:
    """Return each name of an Accept header with its weight, 0 to 1; what is malformed weighs nothing."""
    found: dict[str, float] = {}
    for part in (header or "")[:MAX_HEADER_CHARACTERS].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if name:
            found[name] = weight if 0 < weight <= 1 else 0.0
    return found


def accepted(header: str | None) -> list[str]:
    """Return the names in an Accept header, the most wanted first, without those that are refused (q=0)."""
    wanted = [(weight, name) for name, weight in weights(header).items() if weight]
    return [name for _, name in sorted(wanted, key=lambda item: -item[0])]


def prefers_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header takes gzip, and wants nothing less than bytes as they are (RFC 9110)."""
    encodings = weights(header)
    gzip = encodings.get("gzip", encodings.get("*", 0.0))
    return gzip > 0 and gzip >= encodings.get("identity", 0.0)


def preferred(header: str | None, offered: Sequence[str]) -> str:
    """Return which of the offered media types a client wants most: the first one where it does not mind."""
    for name in accepted(header):
        kind = name.removesuffix("*") if name.endswith("/*") else name
        for media_type in offered:
            if name in {"*/*", media_type} or (kind != name and media_type.startswith(kind)):
                return media_type
    return offered[0]


class EncodingMiddleware:
    """Tells the compression inside what the client prefers; it looks for the word gzip and not for weights."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite Accept-Encoding to the one word that it comes to."""
        if scope["type"] == "http":
            headers = MutableHeaders(scope=scope)
            encodings = headers.get("accept-encoding")
            if encodings is not None:
                headers["accept-encoding"] = "gzip" if prefers_gzip(encodings) else "identity"
        await self._app(scope, receive, send)
