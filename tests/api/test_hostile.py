"""One hostile client, one frozen database: the others are served."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from loppestars_local.postgres import EmbeddedPostgres
from tests.factories.running_api import RunningApi

Start = Callable[..., RunningApi]
FORM = (
    b"POST /process-face HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 500000\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\n\r\n'
)


class TestUploads:
    def test_trickling_ones_end(self, start: Start) -> None:
        """Forty uploads that send a byte now and then: others get an answer in seconds, and the forty are ended."""
        api = start(MAX_UPLOADS="4", PHOTO_WAIT_SECONDS="1")
        stop = threading.Event()
        with ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", api.port))) for _ in range(12)]
            for connection in slow:
                connection.sendall(FORM)

            def trickle() -> None:
                while not stop.wait(2):
                    for connection in slow:
                        try:
                            connection.sendall(b"x")
                        except OSError:
                            continue

            thread = threading.Thread(target=trickle)
            thread.start()
            try:
                time.sleep(0.5)
                answer = httpx.post(f"{api.url}/process-face", files={"file": b"x"}, timeout=60)
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                first = slow[0]
                first.settimeout(60)
                assert first.recv(12) in {b"HTTP/1.1 408", b"HTTP/1.1 503"}
            finally:
                stop.set()
                thread.join()


class TestFrozenDatabase:
    def test_lists_answer_503(self, start: Start, tmp_path: Path) -> None:
        """SIGSTOP of PostgreSQL: a list says so within 3 seconds, again and again, and works when it is back."""
        server = EmbeddedPostgres(tmp_path / "frozen", {"fsync": "off"})
        server.start()
        try:
            api = start(DATABASE_URL=server.url())
            pids = frozen_processes(server)
            httpx.get(f"{api.url}/markets/today")
            for pid in pids():
                os.kill(pid, signal.SIGSTOP)
            try:
                for _ in range(3):
                    answer = httpx.get(f"{api.url}/markets/today", timeout=20)
                    assert answer.status_code == 503
                    assert int(answer.headers["retry-after"]) > 0
                assert httpx.get(f"{api.url}/serving").status_code == 200
                assert httpx.get(f"{api.url}/ready", timeout=20).status_code == 503
            finally:
                for pid in pids():
                    os.kill(pid, signal.SIGCONT)
        finally:
            server.stop()


def frozen_processes(server: EmbeddedPostgres) -> Callable[[], list[int]]:
    """Return a function that lists the server and its children."""
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        parent = int(Path(f"/proc/{row[0]}/stat").read_text().split(")")[1].split()[1])

    def processes() -> list[int]:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    return processes


class TestSearches:
    @pytest.mark.parametrize(
        ("query", "status"),
        [("query=" + "a+" * 100, 200), ("query=a&offset=2000", 200), ("query=a&offset=90000", 422)],
    )
    async def test_bounds(self, client: httpx.AsyncClient, query: str, status: int) -> None:
        """Many words cost no more than eight different ones; deep pages are refused."""
        assert (await client.get(f"/markets/search?{query}")).status_code == status

    @pytest.mark.parametrize("radius", ["1_0", "1e9999", "٣", "0x10", ""])
    async def test_odd_numbers(self, client: httpx.AsyncClient, radius: str) -> None:
        """What only Python reads as a number is refused."""
        answer = await client.get("/markets/nearby", params={"latitude": "55", "longitude": "12", "radius_km": radius})
        assert answer.status_code == 422


class TestHeaders:
    @pytest.mark.parametrize("path", ["/markets/today", "/nowhere", "/docs", "/redoc", "/openapi.json", "/"])
    async def test_security_headers(self, client: httpx.AsyncClient, path: str) -> None:
        """Nothing is sniffed, framed or refers to others; pages run their own scripts only."""
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"].partition("style-src")[0]

    @pytest.mark.parametrize(
        ("accepted", "packed"),
        [
            ("gzip", True),
            ("gzip;q=0", False),
            ("br, gzip;q=0.5", True),
            ("gzip;q=0, *", False),
            ("gzip;q=x", False),
            ("*", True),
            ("identity, gzip;q=0.5", False),
            ("identity;q=0.5, gzip;q=0.5", True),
        ],
    )
    async def test_accept_encoding(self, client: httpx.AsyncClient, accepted: str, *, packed: bool) -> None:
        """`q=0` means no, and what weighs less than bytes as they are is not sent."""
        answer = await client.get("/openapi.json", headers={"Accept-Encoding": accepted})
        assert (answer.headers.get("content-encoding") == "gzip") is packed
