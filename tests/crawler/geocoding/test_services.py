"""The geocoding services, each against a server on this machine that speaks its JSON."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loppestars_core.places.points import Point
from loppestars_crawler.addresses.normalising import Address
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.location import Verdict
from loppestars_crawler.geocoding.provider import Found, NoCache
from loppestars_crawler.geocoding.services import open_service

NAKSKOV = Address("Østergade 18, 2. th", "4900", "Nakskov", codes=frozenset({"4900"}))
POINT = Point(54.8321, 11.1366)
ANSWERS: dict[str, Any] = {
    "/search": [{"lat": "54.8321", "lon": "11.1366", "display_name": "18, Østergade, 4900 Nakskov", "importance": 0.4}],
    "/v1/geocode/search": {
        "results": [{"lat": 54.8321, "lon": 11.1366, "country_code": "dk", "rank": {"confidence": 0.9}}]
    },
    "/husnummer": [
        {
            "visningstekst": "Østergade 18, 4900 Nakskov",
            "postnummer": "4900",
            "geometri": {"type": "MultiPoint", "coordinates": [[11.1366, 54.8321]]},
        }
    ],
}
EMPTY: dict[str, Any] = {"/search": [], "/v1/geocode/search": {"results": []}, "/husnummer": []}


class GeocodingServer:
    """All three services on one port; it keeps what it was asked."""

    def __init__(self) -> None:
        self.answers = ANSWERS
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                server.asked.append((parts.path, parse_qs(parts.query), dict(self.headers)))
                body = server.body if server.body is not None else json.dumps(server.answers[parts.path]).encode()
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the output of tests clean."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def serve(self) -> Iterator["GeocodingServer"]:
        """Answer until the test is over."""
        thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        thread.start()
        yield self
        self._http.shutdown()
        self._http.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[GeocodingServer]:
    """A server that knows one address."""
    yield from GeocodingServer().serve()


@pytest.mark.parametrize("name", ["nominatim", "geoapify", "datafordeleren"])
class TestServices:
    """What all of them do."""

    async def test_found(self, name: str, server: GeocodingServer) -> None:
        """The point of the address, latitude and longitude the right way round."""
        service = open_service(name, key="secret", url=server.url, user_agent="test")
        assert service is not None
        found = await service.find(NAKSKOV)
        assert found is not None
        assert found.point == POINT

    async def test_unknown(self, name: str, server: GeocodingServer) -> None:
        """No result is no point."""
        server.answers = EMPTY
        service = open_service(name, key="secret", url=server.url, user_agent="test")
        assert service is not None
        assert await service.find(NAKSKOV) is None

    @pytest.mark.parametrize(
        ("status", "body"), [(500, b"oops"), (401, b"{}"), (429, b"{}"), (200, b"<html>"), (200, b'{"results": 5}')]
    )
    async def test_failing(self, name: str, status: int, body: bytes, server: GeocodingServer) -> None:
        """Whatever it answers, the address gets the middle of its postal code."""
        server.status, server.body = status, body
        service = open_service(name, key="secret", url=server.url, user_agent="test")
        location = await Locator(NoCache(), service).locate(NAKSKOV, None, source="s")
        assert location.verdict is Verdict.POSTAL_CODE
        assert name in location.reason

    async def test_gone(self, name: str, server: GeocodingServer) -> None:
        """A server that is not there is a failure like any other."""
        service = open_service(name, key="secret", url="http://127.0.0.1:1", user_agent="test")
        location = await Locator(NoCache(), service).locate(NAKSKOV, None, source="s")
        assert location.verdict is Verdict.POSTAL_CODE
        assert server.asked == []


class TestRequests:
    """How each is asked."""

    async def test_nominatim(self, server: GeocodingServer) -> None:
        """Structured, within Denmark, with an honest user agent and without the floor."""
        service = open_service("nominatim", key=None, url=server.url, user_agent="Loppestars (+mail)")
        assert service is not None
        assert await service.find(NAKSKOV) == Found(POINT, 0.4)
        path, query, headers = server.asked[0]
        assert path == "/search"
        assert (query["street"], query["postalcode"], query["countrycodes"]) == (["Østergade 18"], ["4900"], ["dk"])
        assert headers["User-Agent"] == "Loppestars (+mail)"

    async def test_geoapify(self, server: GeocodingServer) -> None:
        """One line of text, within Denmark, with the key."""
        service = open_service("geoapify", key="secret", url=server.url, user_agent="test")
        assert service is not None
        assert await service.find(NAKSKOV) == Found(POINT, 0.9)
        _, query, _ = server.asked[0]
        assert query["text"] == ["Østergade 18, 4900 Nakskov"]
        assert (query["filter"], query["apiKey"]) == (["countrycode:dk"], ["secret"])

    async def test_datafordeleren(self, server: GeocodingServer) -> None:
        """The token in a header, never in the address."""
        service = open_service("datafordeleren", key="secret", url=server.url, user_agent="test")
        assert service is not None
        assert await service.find(NAKSKOV) == Found(POINT)
        _, query, headers = server.asked[0]
        assert (query["q"], query["srid"]) == (["Østergade 18, 4900 Nakskov"], ["4326"])
        assert headers["token"] == "secret"
        assert "secret" not in str(query)

    def test_none(self) -> None:
        """No provider, no service."""
        assert open_service("none", key=None, url=None, user_agent="test") is None

    def test_key_missing(self) -> None:
        """The variable to set is named."""
        with pytest.raises(ValueError, match="GEOCODING_API_KEY"):
            open_service("geoapify", key=None, url=None, user_agent="test")
