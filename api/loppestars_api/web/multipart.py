"""Files that are sent in a multipart form, or as the whole body: received, bounded and handed over."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Final, cast

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from loppestars_api.web.errors import RETRY_SECONDS, BodyTooSlow, TooLarge, Unavailable, Unprocessable, UnsupportedMedia

MAX_FILES: Final = 4
MAX_FIELDS: Final = 32
MAX_FIELD_BYTES: Final = 4096
# Room for the multipart frame and the fields around a file.
FORM_OVERHEAD_BYTES: Final = 64 * 1024
# However steadily it trickles: a phone on a bad network sends a photo within this time, or will not.
RECEIVE_SECONDS: Final = 120.0
MAX_WAIT_SECONDS: Final = 5.0
# A file is in memory while it is handed to storage; this many at most.
MAX_HANDED_OVER: Final = 2
# More of a file is on disk while it arrives.
_SPOOLED_BYTES: Final = 1024 * 1024
_FORM: Final = "multipart/form-data"
_HOW: Final = "Send the photo as a file field of a multipart/form-data body."


class Upload:
    """A received form: its first file, whatever its field is called, and the fields that were filled in."""

    def __init__(self, file: UploadFile, fields: Mapping[str, str]) -> None:
        self._file = file
        self.fields = fields

    @property
    def file(self) -> IO[bytes]:
        """The file itself, on disk where it is large."""
        return self._file.file

    async def read(self) -> bytes:
        """Read the whole file."""
        return await self._file.read()


class Uploads:
    """Receives `at_once` forms at most, half of them from one client; further ones wait a little.

    Their bytes wait at their senders.
    """

    def __init__(self, *, at_once: int, max_bytes: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._places_per_client = max(1, at_once // 2)
        self._clients: dict[str, asyncio.Semaphore] = {}
        self._holders: Counter[str] = Counter()
        self._memory = asyncio.Semaphore(MAX_HANDED_OVER)
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def receive(self, request: Request, client: str) -> AsyncIterator[Upload]:
        """Leave the context as soon as the bytes are handed over.

        The parser spools files of more than a megabyte to disk, so a slow upload holds no memory.
        """
        if not _is_form(request):
            raise UnsupportedMedia(_HOW)
        async with self._place(client):
            form = await _read_form(request)
            try:
                upload = self._check(form)
                async with self._memory:
                    yield upload
            finally:
                await form.close()

    @asynccontextmanager
    async def receive_any(self, request: Request, client: str) -> AsyncIterator[Upload]:
        """Like `receive`, also for a body that is the file itself; nothing of the file is read into memory."""
        async with self._place(client):
            if _is_form(request):
                form = await _read_form(request)
                try:
                    yield self._check(form)
                finally:
                    await form.close()
                return
            with SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as spool:
                file = UploadFile(cast("IO[bytes]", spool), size=0)  # type: ignore[arg-type]
                async with _in_time():
                    async for chunk in request.stream():
                        await file.write(chunk)
                yield Upload(self._checked(file), {})

    @asynccontextmanager
    async def _place(self, client: str) -> AsyncIterator[None]:
        """Hold one of the client's places and one of all. Raise `Unavailable` when none is free in time."""
        own = self._clients.setdefault(client, asyncio.Semaphore(self._places_per_client))
        self._holders[client] += 1
        try:
            async with AsyncExitStack() as stack:
                try:
                    async with asyncio.timeout(MAX_WAIT_SECONDS):
                        await stack.enter_async_context(own)
                        await stack.enter_async_context(self._places)
                except TimeoutError:
                    raise Unavailable("Too many photos are being received at the moment.", RETRY_SECONDS) from None
                yield
        finally:
            self._holders[client] -= 1
            if not self._holders[client]:
                del self._holders[client], self._clients[client]

    def _check(self, form: FormData) -> Upload:
        file = next((value for _, value in form.multi_items() if isinstance(value, UploadFile)), None)
        if file is None:
            raise Unprocessable(f"The form has no file. {_HOW}")
        # An empty field is one that was not filled in.
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str) and value}
        return Upload(self._checked(file), fields)

    def _checked(self, file: UploadFile) -> UploadFile:
        if not file.size:
            raise Unprocessable("The photo is empty.")
        if file.size > self._max_bytes:
            raise TooLarge(f"The photo has {file.size} bytes; at most {self._max_bytes} are accepted.")
        return file


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith(_FORM)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            yield
    except TimeoutError:
        raise BodyTooSlow(f"The photo did not arrive within {RECEIVE_SECONDS:g} seconds.") from None


async def _read_form(request: Request) -> FormData:
    try:
        async with _in_time():
            return await request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except FormParserError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is not a valid form. {_HOW}") from None
