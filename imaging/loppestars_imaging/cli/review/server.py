"""The page's server: on loopback only, behind a path that cannot be guessed, and for this host name only."""

import asyncio
import contextlib
import json
import secrets
import threading
from collections.abc import Coroutine, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Protocol

from loppestars_imaging.engine.messages import Box
from loppestars_imaging.errors import ImagingError

_PAGE: Final = Path(__file__).with_name("page.html")
_MAX_BODY_BYTES: Final = 1024 * 1024
_MAX_COVERS: Final = 2000
_MAX_DIGITS: Final = 9
_POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)


class Reviewed(Protocol):
    """The session that a page shows."""

    ended: asyncio.Event

    def names(self) -> list[str]:
        """Return the names of the photos."""

    async def photo(self, number: int) -> dict[str, object]:
        """Return what the page shows of a photo."""

    async def preview(self, number: int) -> bytes:
        """Return a JPEG of the photo as it is."""

    async def write(self, number: int, boxes: list[Box], size: tuple[float, float]) -> str:
        """Write the photo with these boxes covered; return what went wrong, or nothing."""


@contextlib.contextmanager
def start_server(session: Reviewed) -> Iterator[str]:
    """Serve the review on a free port until the block ends; the value is the page's address."""
    server = _Server(session, asyncio.get_running_loop())
    threading.Thread(target=server.serve_forever, daemon=True, name="review").start()
    try:
        yield f"http://{server.host}{server.prefix}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, session: Reviewed, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.session = session
        self.loop = loop
        self.host = f"127.0.0.1:{self.server_port}"
        self.prefix = f"/{secrets.token_urlsafe(24)}/"

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what the work returns
        """Run it in the loop of the engines, and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class _Handler(BaseHTTPRequestHandler):
    """One request of the page."""

    server: _Server

    def do_GET(self) -> None:
        """Answer the page, the list of photos, a photo's data, or its picture."""
        route, session = self._route(), self.server.session
        if route == "":
            self._answer(_PAGE.read_bytes(), "text/html; charset=utf-8")
        elif route == "photos":
            self._answer_json({"photos": session.names()})
        elif (number := self._number(route, ".jpg")) is not None:
            try:
                self._answer(self.server.wait(session.preview(number)), "image/jpeg")
            except (ImagingError, OSError):
                self.send_error(HTTPStatus.NOT_FOUND)
        elif (number := self._number(route)) is not None:
            self._answer_json(self.server.wait(session.photo(number)))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Save a photo with its covers, or end the review."""
        route, session = self._route(), self.server.session
        if route == "end":
            self._answer_json({})
            self.server.loop.call_soon_threadsafe(session.ended.set)
        elif (number := self._number(route)) is not None:
            length = self.headers.get("Content-Length", "")
            try:
                boxes, size = _covers(self.rfile.read(min(int(length), _MAX_BODY_BYTES)))
            except (ValueError, KeyError, TypeError):
                self.send_error(HTTPStatus.BAD_REQUEST)
                return
            self._answer_json({"error": self.server.wait(session.write(number, boxes, size))})
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Write no log: the address is a secret."""

    def _route(self) -> str | None:
        """Return the path behind the secret; None without it, or under another host name."""
        if self.headers.get("Host") != self.server.host or not self.path.startswith(self.server.prefix):
            return None
        return self.path.removeprefix(self.server.prefix)

    def _number(self, route: str | None, suffix: str = "") -> int | None:
        if route is None or not route.startswith("photos/") or not route.endswith(suffix):
            return None
        digits = route.removeprefix("photos/").removesuffix(suffix)
        number = int(digits) if digits.isdecimal() and len(digits) < _MAX_DIGITS else -1
        return number if 0 <= number < len(self.server.session.names()) else None

    def _answer_json(self, value: object) -> None:
        self._answer(json.dumps(value).encode(), "application/json")

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def _covers(body: bytes) -> tuple[list[Box], tuple[float, float]]:
    """Return the boxes and the size of the original that the page sends; raise ValueError for anything else."""
    sent = json.loads(body)
    width, height = float(sent["width"]), float(sent["height"])
    faces = sent["faces"]
    if not (width >= 1 and height >= 1) or len(faces) > _MAX_COVERS:
        raise ValueError("not the covers of a photo")
    boxes = []
    for face in faces:
        x, y, w, h = (float(face[name]) for name in ("x", "y", "width", "height"))
        if not (w > 0 and h > 0 and -width <= x <= 2 * width and -height <= y <= 2 * height):
            raise ValueError("not a box in the photo")
        boxes.append((x, y, w, h, 1.0))
    return boxes, (width, height)
