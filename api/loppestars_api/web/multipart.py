"""Files that are sent in a multipart form: received, bounded and handed over."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from loppestars_api.web.errors import BodyTooSlow, TooLarge, Unprocessable, UnsupportedMedia

MAX_FILES: Final = 4
MAX_FIELDS: Final = 32
MAX_FIELD_BYTES: Final = 4096
# Room for the multipart frame and the fields around a file.
FORM_OVERHEAD_BYTES: Final = 64 * 1024
# However steadily it trickles: a phone on a bad network sends a photo within this time, or will not.
RECEIVE_SECONDS: Final = 120.0
# A file is in memory while it is handed to storage; this many at most.
MAX_HANDED_OVER: Final = 2
_HOW: Final = "Send the photo as a file field of a multipart/form-data body."


class Upload:
    """A received form: its first file, whatever its field is called, and the fields that were filled in."""

    def __init__(self, file: UploadFile, fields: Mapping[str, str]) -> None:
        self._file = file
        self.fields = fields

    async def read(self) -> bytes:
        """Read the whole file."""
        return await self._file.read()


class Uploads:
    """Receives `at_once` forms at most; further ones wait, and their bytes wait at their senders."""

    def __init__(self, *, at_once: int, max_bytes: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._memory = asyncio.Semaphore(MAX_HANDED_OVER)
        self._max_bytes = max_bytes

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[Upload]:
        """Leave the context as soon as the bytes are handed over.

        The parser spools files of more than a megabyte to disk, so a slow upload holds no memory.
        """
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise UnsupportedMedia(_HOW)
        async with self._places:
            form = await _read_form(request)
            try:
                upload = self._check(form)
                async with self._memory:
                    yield upload
            finally:
                await form.close()

    def _check(self, form: FormData) -> Upload:
        file = next((value for _, value in form.multi_items() if isinstance(value, UploadFile)), None)
        if file is None:
            raise Unprocessable(f"The form has no file. {_HOW}")
        if not file.size:
            raise Unprocessable("The photo is empty.")
        if file.size > self._max_bytes:
            raise TooLarge(f"The photo has {file.size} bytes; at most {self._max_bytes} are accepted.")
        # An empty field is one that was not filled in.
        return Upload(file, {name: value for name, value in form.multi_items() if isinstance(value, str) and value})


async def _read_form(request: Request) -> FormData:
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            return await request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except TimeoutError:
        raise BodyTooSlow(f"The photo did not arrive within {RECEIVE_SECONDS:g} seconds.") from None
    except FormParserError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is not a valid form. {_HOW}") from None
