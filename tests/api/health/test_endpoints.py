"""Welcome, health, readiness: what probes and the app's splash screen see."""

import httpx
import pytest
from pydantic import SecretStr

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings


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
