"""Made-up sites of one server: lists of 50 events, and sitemaps whose pages say one event each."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from loppestars_core.places.postal_codes import PostalCode, danish_postal_codes

SOURCES: Final = 200
PER_PAGE: Final = 50
SERIES_A_DAY: Final = 7
"""Of each source; every series takes place twice, so a day has 2,800 markets."""
_PATH: Final = re.compile(r"/(list|event)/(\d+)/(\d+)")
_SITEMAP: Final = re.compile(r"/sitemap/(\d+)/(\d+)\.xml")
_WHO: Final = (
    *("Spejdernes", "Menighedens", "Havnens", "Roklubbens", "Skolens"),
    *("Møllens", "Torvets", "Byens", "Klubbens"),
)
_WHAT: Final = ("loppemarked", "kræmmermarked", "bagagerumsmarked", "gårdloppemarked")
_STREETS: Final = ("Vestergade", "Østergade", "Nørregade", "Algade", "Skolevej", "Kirkevej", "Havnevej")


def event(source: int, number: int) -> dict[str, Any]:
    """Return an event of a source: each market on two days, and one source of ten lists those of its neighbour."""
    listed_by = source - 1 if source % 10 == 5 else source  # noqa: PLR2004 - one of ten
    series, second = divmod(number, 2)
    market = series * SOURCES + listed_by
    row = _towns()[market * 7919 % len(_towns())]
    day = date.today() + timedelta(days=7 + 7 * second + series // SERIES_A_DAY)  # noqa: DTZ011 - made-up days
    return {
        "@type": "Event",
        "@id": f"#{source}-{number}",
        "name": f"{_WHO[market % len(_WHO)]} {_WHAT[market // 7 % len(_WHAT)]} i {row.town}",
        "startDate": str(day),
        "location": {
            "@type": "Place",
            "address": {
                "@type": "PostalAddress",
                "streetAddress": f"{_STREETS[market % len(_STREETS)]} {market % 90 + 1}",
                "postalCode": row.code,
                "addressLocality": row.town,
            },
        },
    }


@cache
def _towns() -> list[PostalCode]:
    return list({row.town: row for row in danish_postal_codes().by_code.values()}.values())


class Sites(BaseHTTPRequestHandler):
    """Sites that are told apart by their path; every page has an ETag and answers 304 to it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    each = 0
    first = 0.0
    """When the first page was asked for."""

    def do_GET(self) -> None:
        """Answer a page of a source."""
        listed, mapped = _PATH.fullmatch(self.path), _SITEMAP.fullmatch(self.path)
        if listed is None and mapped is None:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        Sites.first = Sites.first or time.perf_counter()
        if self.headers.get("If-None-Match") == '"1"':
            self._answer(HTTPStatus.NOT_MODIFIED)
        elif mapped is not None:
            source, count = map(int, mapped.groups())
            urls = (f"<url><loc>/event/{source}/{number}</loc></url>" for number in range(count))
            self._answer(HTTPStatus.OK, f"<urlset>{''.join(urls)}</urlset>", "application/xml")
        elif listed is not None:
            self._answer(HTTPStatus.OK, self._page(listed[1], int(listed[2]), int(listed[3])))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _page(self, kind: str, source: int, page: int) -> str:
        if kind == "event":
            return _html([event(source, page)], "")
        first, last = page * PER_PAGE, min((page + 1) * PER_PAGE, self.each)
        more = f'<a rel="next" href="/list/{source}/{page + 1}">»</a>' if last < self.each else ""
        return _html([event(source, number) for number in range(first, last)], more)

    def _answer(self, status: HTTPStatus, text: str = "", kind: str = "text/html") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _html(events: list[dict[str, Any]], more: str) -> str:
    said = json.dumps(events, ensure_ascii=False)
    return f'<html><script type="application/ld+json">{said}</script>{more}</html>'


@contextmanager
def sites(each: int) -> Iterator[int]:
    """Serve the sources, each with so many events, on every address of this machine: each source has a host."""
    handler = type("Handler", (Sites,), {"each": each})
    server = ThreadingHTTPServer(("", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
