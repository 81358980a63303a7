"""What every request gets: an id, HEAD, the same error body, CORS, compression."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import Message

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_api.web.errors import BodyTooSlow, TooLarge
from loppestars_api.web.middleware.body_limits import BodyLimitMiddleware
from loppestars_core.database.engine import CONNECT_TIMEOUT_SECONDS


class TestRequestId:
    async def test_one_is_made(self, client: httpx.AsyncClient) -> None:
        """A different one each time."""
        ids = [(await client.get("/health")).headers["x-request-id"] for _ in range(2)]
        assert len(set(ids)) == 2
        assert all(re.fullmatch(r"[0-9a-f]{32}", found) for found in ids)

    async def test_the_callers_is_kept(self, client: httpx.AsyncClient) -> None:
        """So that a trace goes through."""
        answer = await client.get("/markets/nowhere", headers={"X-Request-ID": "trace-1.2:3"})
        assert answer.headers["x-request-id"] == "trace-1.2:3"
        assert answer.json()["request_id"] == "trace-1.2:3"

    @pytest.mark.parametrize("hostile", ["", "x" * 65, "a b", "<script>", 'a"b', "é", "a\tb"])
    async def test_a_harmful_one_is_replaced(self, client: httpx.AsyncClient, hostile: str) -> None:
        """It would end up in logs and headers."""
        answer = await client.get("/health", headers={"X-Request-ID": hostile.encode()})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


class TestHead:
    @pytest.mark.parametrize(
        "path",
        ["/", "/health", "/ready", "/docs", "/redoc", "/openapi.json", "/markets/today", "/markets/search?query=a"],
    )
    async def test_it_is_answered_wherever_get_is(self, client: httpx.AsyncClient, path: str) -> None:
        """The same status and headers, no body."""
        get, head = await client.get(path), await client.head(path)
        assert (get.status_code, head.status_code) == (200, 200)
        assert head.content == b""
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == get.headers.get(name)

    async def test_where_get_is_not_it_is_refused(self, client: httpx.AsyncClient) -> None:
        """405 with what is allowed."""
        answer = await client.head("/process")
        assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nowhere", 404),
            ("POST", "/markets/today", 405),
            ("GET", "/markets/nearby?latitude=91&longitude=0", 422),
            ("GET", "/docs-assets/../app.py", 404),
            ("GET", "/docs-assets/%2e%2e/%2e%2e/app.py", 404),
        ],
    )
    async def test_one_shape_for_all(self, client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
        """`detail` and `request_id`, whoever raised it; never cached."""
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert set(answer.json()) == {"detail", "request_id"}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["cache-control"] == "no-store"

    async def test_a_fault_tells_nothing_of_the_inside(self, api_settings: ApiSettings) -> None:
        """500 with an id; the reason is for the log."""
        app = create_app(api_settings)

        @app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("password=hunter2 at /srv/secret.py")

        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            answer = await client.get("/broken")
        assert answer.status_code == 500
        assert "hunter2" not in answer.text
        assert "secret.py" not in answer.text
        assert answer.json()["request_id"] == answer.headers["x-request-id"]

    async def test_the_database_down_is_a_503(self, api_settings: ApiSettings) -> None:
        """With Retry-After, without an address, after one wait for a connection and no second one."""
        app = create_app(
            api_settings.model_copy(update={"database_url": SecretStr("postgresql://u:hunter2@127.0.0.1:1/nowhere")})
        )
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                async with asyncio.timeout(1.8 * CONNECT_TIMEOUT_SECONDS):
                    answer = await client.get("/markets/today")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "127.0.0.1" not in answer.text
        assert "hunter2" not in answer.text

    async def test_what_is_echoed_is_bounded(self, client: httpx.AsyncClient) -> None:
        """A wrong parameter is named, and its value cut."""
        answer = await client.get("/markets/search", params={"query": "x" * 5000})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["query", "query"]
        assert len(answer.content) < 1000


class TestCors:
    async def test_any_origin_by_default(self, client: httpx.AsyncClient) -> None:
        """Lists are public; no credentials are involved."""
        answer = await client.get("/markets/today", headers={"Origin": "https://somewhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]

    @pytest.mark.parametrize(("origin", "allowed"), [("https://app.example", True), ("https://evil.example", False)])
    async def test_configured_origins(self, api_settings: ApiSettings, origin: str, *, allowed: bool) -> None:
        """A preflight is answered for them only."""
        app = create_app(api_settings.model_copy(update={"cors_origins": ("https://app.example",)}))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            answer = await client.options(
                "/process",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization, content-type",
                },
            )
        assert answer.status_code == (200 if allowed else 400)
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        assert answer.headers["x-request-id"]


class TestBodyLimits:
    """The layer by itself, driven message by message."""

    @staticmethod
    async def drive(messages: list[Message], headers: list[tuple[bytes, bytes]]) -> list[Message]:
        """Read the whole body through the layer; the messages that came through."""
        seen: list[Message] = []

        async def app(_scope: Any, receive: Any, _send: Any) -> None:
            while True:
                message = await receive()
                seen.append(message)
                if not message.get("more_body"):
                    return

        async def receive() -> Message:
            if not messages:
                await asyncio.sleep(60)
            return messages.pop(0)

        async def send(_message: Message) -> None:
            """Nothing is sent here."""

        layer = BodyLimitMiddleware(app, default=10, limits={"/big": 100}, silence_seconds=0.05)
        await layer({"type": "http", "method": "POST", "path": "/x", "headers": headers}, receive, send)
        return seen

    @staticmethod
    def part(size: int, *, more: bool) -> Message:
        return {"type": "http.request", "body": b"x" * size, "more_body": more}

    async def test_up_to_the_limit_is_fine(self) -> None:
        """In any number of parts."""
        assert len(await self.drive([self.part(5, more=True), self.part(5, more=False)], [])) == 2

    async def test_an_announced_length_is_refused_before_the_first_byte(self) -> None:
        """Nothing is received at all."""
        messages = [self.part(11, more=False)]
        with pytest.raises(TooLarge, match="10 bytes"):
            await self.drive(messages, [(b"content-length", b"11")])
        assert len(messages) == 1

    async def test_a_stream_is_cut_where_it_exceeds(self) -> None:
        """A body without a length, or with a false one, is counted."""
        messages = [self.part(5, more=True), self.part(6, more=True), self.part(6, more=True)]
        with pytest.raises(TooLarge):
            await self.drive(messages, [(b"content-length", b"5")])
        assert len(messages) == 1

    async def test_silence_ends_the_wait(self) -> None:
        """A client that stops sending does not hold the request for ever."""
        with pytest.raises(BodyTooSlow):
            await self.drive([self.part(1, more=True)], [])


class TestBodies:
    async def test_long_answers_are_compressed(self, client: httpx.AsyncClient) -> None:
        """For those who accept it, and caches are told."""
        packed = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.json() == plain.json()
        assert "Accept-Encoding" in packed.headers["vary"]

    async def test_refusals_of_a_body_keep_their_status(self, api_settings: ApiSettings) -> None:
        """FastAPI would answer 400 for whatever goes wrong while it reads a body."""
        app = create_app(api_settings)

        @app.post("/echo")
        async def echo(body: dict[str, Any]) -> dict[str, Any]:
            return body

        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            large = json.dumps({"a": "x" * 70_000})
            answer = await client.post("/echo", content=large, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["detail"] == "The body is larger than the limit of 65536 bytes."
