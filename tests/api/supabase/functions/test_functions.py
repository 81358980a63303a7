"""`/functions/v1`, `/realtime/v1`, and what browsers may do on all prefixes."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from tests.factories.markets import add_market

KEY, ME, ADMIN = "sb_publishable_of_tests", "user-me", "user-admin"
TOKEN = "token-of-the-operator's-own-scripts"
ORIGIN = {"Origin": "http://localhost:8081"}
NEEDS_LOGIN = {"success": False, "error": "Authentication required"}
NEEDS_ADMIN = {"success": False, "error": "Admin access required"}


class Client:
    """A client library in a few lines."""

    def __init__(self, http: httpx.AsyncClient, sign: Any) -> None:
        self.http = http
        self.sign = sign

    async def ask(self, method: str, path: str, who: str = "anon", **more: Any) -> httpx.Response:
        """Send a request as a user, as `anon` (no bearer, as newer keys are), or as nobody at all."""
        headers = {} if who == "nobody" else {"apikey": KEY}
        if who not in {"nobody", "anon"}:
            headers |= self.sign(who)
        return await self.http.request(method, path, headers=headers | more.pop("headers", {}), **more)


@pytest.fixture
async def client(api_settings: ApiSettings, sign: Any, session: AsyncSession) -> AsyncIterator[Client]:
    """A client of a running API, in which one user is an admin."""
    for user in (ME, ADMIN):
        await ensure_user(session, user)
    await session.execute(insert(RoleGrant).values(user_id=ADMIN, role="admin"))
    await add_market(session, name="Market of today")
    await session.commit()
    update = {"anon_keys": (SecretStr(KEY),), "operator_token": SecretStr(TOKEN), "crawl_command": "true"}
    app = create_app(api_settings.model_copy(update=update))

    async def fail() -> None:
        raise RuntimeError("a fault")

    for prefix in ("/rest/v1", "/storage/v1", "/functions/v1", "/auth/v1"):
        app.add_api_route(f"{prefix}/a/fault", fail)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            yield Client(http, sign)


class TestTriggerScraper:
    async def test_admins_only(self, client: Client) -> None:
        """Who asks decides, in the words that the app reads."""
        path = "/functions/v1/trigger-scraper"
        for who, status, body in (
            ("nobody", 401, NEEDS_LOGIN),
            ("anon", 401, NEEDS_LOGIN),
            (ME, 403, NEEDS_ADMIN),
        ):
            answer = await client.ask("POST", path, who)
            assert (answer.status_code, body.items() <= answer.json().items()) == (status, True)
        old = await client.ask("POST", path, headers=client.sign(ADMIN, exp=1_000_000_000))
        assert (old.status_code, old.json()["error"]) == (401, "Authentication required")
        started = (await client.ask("POST", path, ADMIN)).json()
        assert (started["success"], bool(started["message"])) == (True, True)
        again = (await client.ask("POST", path, ADMIN)).json()
        assert again["scraperResponse"]["runId"]


class TestSendScrapeStatus:
    PATH = "/functions/v1/send-scrape-status"

    async def test_shapes(self, client: Client, session: AsyncSession) -> None:
        """Both shapes become a row, without the addresses that one of them names."""
        day = "2026-05-01T04:00:00+00:00"
        bodies: list[dict[str, Any]] = [
            {"emails": ["a@example.org"], "summary": {"new": 3}, "status": "success", "scrapeDate": day},
            {"success": False, "message": "m", "timestamp": day, "output": "o", "error": "e"},
        ]
        for body in bodies:
            answer = (await client.ask("POST", self.PATH, ADMIN, json=body)).json()
            assert (answer["success"], answer["logged"]) == (True, True)
        rows = (await session.execute(text("SELECT * FROM scraping_logs ORDER BY status"))).mappings().all()
        assert [row["status"] for row in rows] == ["failed", "success"]
        assert (rows[0]["message"], rows[0]["output"], rows[0]["error"]) == ("m", "o", "e")
        assert rows[1]["summary"] == {"new": 3}
        assert {row["scraped_at"].isoformat() for row in rows} == {day}
        assert "example.org" not in str(rows)
        listed = await client.ask("GET", "/rest/v1/scraping_logs?select=*&order=scraped_at.desc&limit=5", ADMIN)
        assert len(listed.json()) == 2

    async def test_who_may(self, client: Client) -> None:
        """Admins, and whoever has the operator's token, by header or address; nobody else."""
        body = {"status": "success"}
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.ask("POST", self.PATH, "nobody", json=body, headers=bearer)).status_code == 200
        assert (await client.ask("POST", self.PATH, "nobody", json=body, params={"token": TOKEN})).status_code == 200
        for wrong in ("", TOKEN[:-1], TOKEN + "x", "ø"):
            answer = await client.ask("POST", self.PATH, "anon", json=body, params={"token": wrong})
            assert answer.status_code == 401
        assert (await client.ask("POST", self.PATH, ME, json=body)).status_code == 403

    async def test_nonsense(self, client: Client) -> None:
        """A 400 that says what is wrong."""
        for content in (b"", b"[]", b"{", b"{}", b'{"status": 1}', b'{"success": true, "timestamp": "x"}'):
            answer = await client.ask("POST", self.PATH, ADMIN, content=content)
            assert (answer.status_code, answer.json()["success"]) == (400, False)


class TestApiProxy:
    async def test_forwards(self, client: Client) -> None:
        """The same answer as without it, with parameters in either place."""
        direct = await client.ask("GET", "/markets/today?limit=1", "nobody")
        for params in ({"path": "/markets/today?limit=1"}, {"path": "markets/today", "limit": "1"}):
            answer = await client.ask("GET", "/functions/v1/api-proxy", params=params)
            assert (answer.status_code, answer.json()) == (200, direct.json())
        key = {"Authorization": f"Bearer {KEY}"}
        answer = await client.ask("GET", "/functions/v1/api-proxy", params={"path": "/markets/today"}, headers=key)
        assert answer.status_code == 200
        runs = {"path": "/scraper/runs"}
        for who, status in (("anon", 401), (ME, 403), (ADMIN, 200)):
            assert (await client.ask("GET", "/functions/v1/api-proxy", who, params=runs)).status_code == status

    async def test_nothing_else(self, client: Client) -> None:
        """No other host, no way around the dialects' own doors, and no path is an error."""
        for path in (
            "",
            "http://169.254.169.254/latest",
            "//example.org/x",
            "https:/x",
            "/functions/v1/api-proxy?path=/markets/today",
            "rest/v1/markets",
            "http://[",
        ):
            answer = await client.ask("GET", "/functions/v1/api-proxy", params={"path": path})
            assert (answer.status_code, answer.json()["success"]) == (400, False), path
        assert (await client.ask("GET", "/functions/v1/api-proxy", params={"path": "/nowhere"})).status_code == 404
        assert (await client.ask("GET", "/functions/v1/api-proxy?path=/health", "nobody")).status_code == 401


class TestBrowsers:
    @pytest.mark.parametrize("prefix", ["rest", "auth", "storage", "functions"])
    async def test_cors(self, client: Client, prefix: str) -> None:
        """A preflight with each method and header of the client; errors and faults may be read as well."""
        asked = "authorization,apikey,content-type,x-client-info,accept-profile,content-profile,prefer,range,x-upsert"
        asked += ",x-supabase-api-version,x-retry-count,traceparent,cache-control"
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
            answer = await client.http.options(f"/{prefix}/v1/any/thing", headers=ORIGIN | wanted)
            assert answer.status_code == 200
            assert set(asked.split(",")) <= {
                name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")
            }
        for path, status in (("nowhere/at/all", 404), ("a/fault", 500)):
            answer = await client.ask("GET", f"/{prefix}/v1/{path}", headers=ORIGIN)
            assert answer.status_code in {status, 503}
            assert answer.headers["access-control-allow-origin"] == "*"
            exposed = answer.headers["access-control-expose-headers"].lower()
            assert all(name in exposed for name in ("content-range", "x-supabase-api-version", "retry-after"))


class TestRealtime:
    async def test_refused(self, client: Client) -> None:
        """The socket is not offered, and says so."""
        answer = await client.ask("GET", "/realtime/v1/websocket", headers={"Upgrade": "websocket"})
        assert answer.status_code == 501
