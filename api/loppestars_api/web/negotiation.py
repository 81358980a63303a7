"""Accept headers: what a client takes, by preference."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_HEADER_CHARACTERS: Final = 2048


def accepted(header: str | None) -> list[str]:
    """Return the names in an Accept header, the most wanted first, without those that are refused (q=0)."""
    wanted: list[tuple[float, str]] = []
    for part in (header or "")[:MAX_HEADER_CHARACTERS].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if name and 0 < weight <= 1:
            wanted.append((weight, name))
    return [name for _, name in sorted(wanted, key=lambda item: -item[0])]


class EncodingMiddleware:
    """Tells the compression inside whether the client takes gzip; it looks for the word and not for `q=0`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite Accept-Encoding where it refuses gzip."""
        if scope["type"] == "http":
            headers = MutableHeaders(scope=scope)
            encodings = headers.get("accept-encoding")
            if encodings is not None and "gzip" in encodings and "gzip" not in accepted(encodings):
                headers["accept-encoding"] = "identity"
        await self._app(scope, receive, send)
