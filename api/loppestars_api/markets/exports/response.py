"""An answer that is written while it is read from the database, and gives its connection back whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class StreamedExport(StreamingResponse):
    """Sends chunks as they are made; `close` is closed once the last is sent, the client has left or a read failed."""

    def __init__(
        self, chunks: AsyncIterator[bytes], *, media_type: str, headers: Mapping[str, str], close: AsyncExitStack
    ) -> None:
        super().__init__(chunks, headers=headers, media_type=media_type)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._close.aclose()))
