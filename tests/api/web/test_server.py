"""Bounds of connections, against the real process."""

import json
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from tests.factories.running_api import RunningApi

Start = Callable[..., RunningApi]


def exchange(api: RunningApi, data: bytes) -> tuple[int, dict[str, str]]:
    """Send bytes, read until the server closes, and return status and JSON body."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    assert f"x-request-id: {json.loads(body)['request_id']}".encode() in head
    return status, json.loads(body)


class TestHeads:
    def test_what_is_refused(self, start: Start) -> None:
        """Path, query, headers and garbage each have their status, our error body and a request id."""
        api = start()
        host = b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        for data, status in (
            (b"GET /" + b"a" * 64_000 + host + b"\r\n", 414),
            (b"GET /" + b"a" * 2_100 + host + b"\r\n", 414),
            (b"GET /?" + b"a" * 9_000 + host + b"\r\n", 414),
            (b"GET /" + b"a" * 3_000, 414),
            (b"GET /nowhere" + host + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
            (b"GET /nowhere" + host + b"X: y\r\n" * 20_000 + b"\r\n", 431),
            (b"GET /nowhere" + host + b"X: " + b"a" * 40_000, 431),
            (b"\x16\x03\x01\x02\x00", 400),
            (b"GET /nowhere" + host + b"Content-Length: x\r\n\r\n", 400),
            (b"GET /nowhere" + host + b"\r\n", 404),
        ):
            assert exchange(api, data)[0] == status, data[:40]
        metrics = httpx.get(f"http://127.0.0.1:{api.metrics_port}/metrics").text
        assert 'loppestars_http_connections_refused_total{reason="request_uri_too_long"} 4.0' in metrics
        refused = [line for line in api.log() if line["event"] == "connection_refused"]
        assert {"bad_request", "request_uri_too_long"} <= {line["reason"] for line in refused}

    def test_a_long_path_holds_up_nothing(self, start: Start) -> None:
        """Before, 64 KB of path cost 8 s on the event loop; what is let through is logged at a linear cost."""
        api = start()
        with ExitStack() as stack:
            for _ in range(8):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", api.port)))
                connection.sendall(b"GET /" + b"a" * 64_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            assert httpx.get(f"{api.url}/health", timeout=5).status_code == 200

    def test_slow_and_silent_ones_are_closed(self, start: Start) -> None:
        """Neither nothing nor half a head holds a connection; an answered one may wait for its next request."""
        api = start()
        with ExitStack() as stack:
            silent, half, kept, rest = (
                stack.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=20)) for _ in range(4)
            )
            half.sendall(b"GET /health HTTP/1.1\r\nHos")
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            rest.sendall(b"POST /health HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx")
            assert kept.recv(4096).startswith(b"HTTP/1.1 200")
            assert rest.recv(12) == b"HTTP/1.1 405"
            assert silent.recv(10) == b""
            assert half.recv(4096).startswith(b"HTTP/1.1 408")
            while rest.recv(4096):
                pass
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := kept.recv(4096):
                answer += part
            assert b"HTTP/1.1 200" in answer


class TestCap:
    @pytest.mark.parametrize("beginning", [b"", b"GET /health HTTP/1.1\r\nHos"])
    def test_room_is_made(self, start: Start, beginning: bytes) -> None:
        """Connections that wait make room for the next client, and it is counted and logged."""
        api = start(MAX_CONNECTIONS="20")
        with ExitStack() as stack:
            for _ in range(60):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", api.port)))
                connection.sendall(beginning)
            assert httpx.get(f"{api.url}/health").status_code == 200
            metrics = httpx.get(f"http://127.0.0.1:{api.metrics_port}/metrics").text
        assert 'loppestars_http_connections_refused_total{reason="made_room"} 4' in metrics
        assert re.search(r"^loppestars_http_connections (19|20)\.0$", metrics, re.MULTILINE)
        assert [line for line in api.log() if line["event"] == "connection_refused"]
