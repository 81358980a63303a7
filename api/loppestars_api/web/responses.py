"""Answers made without a detour: rows or small dictionaries to bytes in one step, stored objects chunk by chunk."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from loppestars_core.storage import ObjectStream

log = structlog.get_logger(__name__)

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401 - whatever JSON holds
    """Return JSON by orjson: UUIDs, dates and times as text in ISO 8601, other instances of `str` as they are."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


class StoredObjectResponse(StreamingResponse):
    """Passes a stored object on without holding more than a chunk of it, however slowly the client reads.

    Args:
        stream: the opened object, of which `first` has been read.
        close: called once, whatever becomes of the response.
        part: the positions of the bytes that are sent; None sends all.
    """

    def __init__(  # noqa: PLR0913 - each is one fact of the answer
        self,
        stream: ObjectStream,
        first: bytes,
        *,
        media_type: str,
        headers: Mapping[str, str],
        close: Callable[[], Awaitable[None]],
        part: range | None = None,
    ) -> None:
        positions = range(stream.size) if part is None else part
        headers = {**headers, "Content-Length": str(len(positions))}
        if part is not None:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{stream.size}"
        status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
        super().__init__(_chunks(stream, first, positions), status, headers, media_type)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._close()))


async def _chunks(stream: ObjectStream, first: bytes, positions: range) -> AsyncIterator[bytes]:
    chunk, start = first, 0
    while chunk and start < positions.stop:
        wanted = chunk[max(0, positions.start - start) : positions.stop - start]
        if wanted:
            yield wanted
        start += len(chunk)
        chunk = await stream.read()
