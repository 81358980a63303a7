"""Welcome, health, readiness: what probes and the app's splash screen see."""

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from loppestars_api.app import create_app
from loppestars_api.health.readiness import DEPENDENCY_UP, Readiness
from loppestars_api.settings import ApiSettings
from loppestars_core.kit.clock import now_utc


class TestRoutes:
    async def test_welcome(self, client: httpx.AsyncClient) -> None:
        """The root says who answers."""
        assert (await client.get("/")).json() == {"message": "Welcome to the Loppestars API"}

    async def test_health_is_what_the_app_waits_for(self, client: httpx.AsyncClient) -> None:
        """Exactly this body, and nothing may keep a copy of it."""
        answer = await client.get("/health")
        assert answer.status_code == 200
        assert answer.json() == {"status": "healthy", "service": "loppestars"}
        assert answer.headers["cache-control"] == "no-store"

    async def test_health_needs_no_lifespan_and_no_database(self) -> None:
        """The process alone answers: nothing is connected here at all."""
        app = create_app(ApiSettings(database_url=SecretStr("postgresql://127.0.0.1:1/nowhere")))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            assert (await client.get("/health")).status_code == 200
            assert (await client.head("/health")).status_code == 200
            refused = await client.post("/health")
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")

    async def test_ready(self, client: httpx.AsyncClient) -> None:
        """All three checks against real things."""
        answer = await client.get("/ready")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "checks": {"database": "ok", "storage": "ok", "queue": "ok"}}

    @pytest.mark.parametrize("broken", ["database", "storage"])
    async def test_not_ready_names_what_fails(self, api_settings: ApiSettings, broken: str) -> None:
        """503 with the same body; the reason stays in the log."""
        wrong = {
            "database": {"database_url": SecretStr("postgresql://someone:secret@127.0.0.1:1/nowhere")},
            "storage": {"storage_dir": "/proc/no-such-place"},
        }[broken]
        app = create_app(api_settings.model_copy(update=wrong))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                answer = await client.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not ready"
        failing = {name for name, state in answer.json()["checks"].items() if state != "ok"}
        assert failing == ({"database", "queue"} if broken == "database" else {"storage"})
        assert "secret" not in answer.text
        assert "proc" not in answer.text


class TestSecurityContact:
    async def test_where_to_write_to(self, api_settings: ApiSettings) -> None:
        """The fields that RFC 9116 requires; the date lies ahead, and less than a year."""
        app = create_app(api_settings.model_copy(update={"security_contact": "mailto:security@example.com"}))
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://api.test") as client,
        ):
            answer = await client.get("/.well-known/security.txt")
        fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert fields["Contact"] == "mailto:security@example.com"
        assert timedelta() < datetime.fromisoformat(fields["Expires"]) - now_utc() < timedelta(days=365)

    async def test_nobody_is_named(self, client: httpx.AsyncClient) -> None:
        """The answer says which setting is missing."""
        answer = await client.get("/.well-known/security.txt")
        assert answer.status_code == 404
        assert "SECURITY_CONTACT" in answer.json()["detail"]

    @pytest.mark.parametrize("wrong", ["security@example.com", "http://example.com", "mailto:a@example.com\nX: y"])
    def test_not_an_address(self, wrong: str) -> None:
        """An address without its scheme is refused at start."""
        with pytest.raises(ValidationError):
            ApiSettings(database_url=SecretStr("postgresql://127.0.0.1/x"), security_contact=wrong)


class TestReadiness:
    async def test_metric(self) -> None:
        """What answers is 1, what does not is 0, without anyone asking for `/ready`."""

        async def answers() -> None:
            """Answer at once."""

        async def away() -> None:
            raise OSError("no route to host")

        watching = asyncio.create_task(Readiness({"database": answers, "storage": away}).watch())
        await asyncio.sleep(0.1)
        watching.cancel()
        found = {name: DEPENDENCY_UP.labels(name)._value.get() for name in ("database", "storage")}
        assert found == {"database": 1, "storage": 0}
