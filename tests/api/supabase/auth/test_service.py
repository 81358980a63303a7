"""No phone is signed out: whatever happens to us, a session that was good before is good afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_api.supabase.auth import service
from loppestars_core.sign_in import sessions
from loppestars_core.sign_in.signing import new_key
from loppestars_local.postgres import EmbeddedPostgres
from tests.factories.phone import Phone

KEY = "sb_publishable_of_tests"


@asynccontextmanager
async def serving(settings: ApiSettings, **changes: Any) -> AsyncIterator[Phone]:
    """Run another API on the same database, and yield a phone that asks it."""
    app = create_app(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield Phone(client, KEY)


def kept(answer: httpx.Response) -> None:
    """Check that both clients keep their session after this answer: a 503 that says when to come back."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    assert set(answer.json()) == {"code", "message"}


class TestFaults:
    async def test_database_away(self, phone: Phone, postgres: EmbeddedPostgres, database_url: str) -> None:
        """The same token refreshes when the database is back."""
        await phone.sign_in()
        name = urlsplit(database_url).path[1:]
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[call-overload]
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            try:
                for _ in range(2):
                    kept(await phone.refresh())
                assert (await phone.ask("GET", "user")).status_code == 503
            finally:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[call-overload]
        assert (await phone.refresh()).status_code == 200

    async def test_locked_row(self, phone: Phone, session: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
        """A database that does not answer in time."""
        await phone.sign_in()
        monkeypatch.setattr(service, "DATABASE_SECONDS", 0.2)
        await session.execute(text("SELECT FROM sessions FOR UPDATE"))
        kept(await phone.refresh())
        await session.rollback()
        monkeypatch.undo()
        assert (await phone.refresh()).status_code == 200

    async def test_pool_empty(self, auth_settings: ApiSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        """All connections are in use for longer than a phone waits."""
        async with serving(auth_settings, database_pool_size=1) as phone:
            await phone.sign_in()
            engine = phone.api._transport.app.state.shared.engine  # type: ignore[attr-defined]
            monkeypatch.setattr(service, "DATABASE_SECONDS", 0.2)
            async with engine.connect():
                kept(await phone.refresh())
            monkeypatch.undo()
            assert (await phone.refresh()).status_code == 200

    async def test_limit_of_requests(self, auth_settings: ApiSettings) -> None:
        """An address that asks too often gets 429 elsewhere, and 503 here."""
        async with serving(auth_settings, rate_limit_lists_per_minute=20) as phone:
            await phone.sign_in()
            while (await phone.ask("GET", "health")).status_code == 200:
                pass
            limited = await phone.ask("GET", "user")
            assert (limited.status_code, limited.json()["code"]) == (429, "over_request_rate_limit")
            kept(await phone.refresh())

    async def test_limit_of_refusals(self, auth_settings: ApiSettings) -> None:
        """Who guesses tokens is slowed down; a good token from the same address still refreshes."""
        async with serving(auth_settings, rate_limit_auth_failures_per_minute=3) as phone:
            await phone.sign_in()
            for _ in range(3):
                assert (await phone.token("refresh_token", refresh_token="x")).status_code == 400
            kept(await phone.token("refresh_token", refresh_token="x"))
            assert (await phone.refresh()).status_code == 200

    async def test_limit_of_sign_ins(self, auth_settings: ApiSettings) -> None:
        """One address begins so many sign-ins and no more."""
        async with serving(auth_settings, rate_limit_sign_ins_per_minute=2) as phone:
            statuses = [(await phone.api.get("/auth/v1/authorize?provider=google")).status_code for _ in range(3)]
            assert statuses == [302, 302, 429]

    async def test_unknown_fault(self, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault of ours says nothing about the session."""
        await phone.sign_in()

        async def fail(*_: object) -> None:
            raise RuntimeError("a fault")

        monkeypatch.setattr(sessions, "refresh_session", fail)
        answer = await phone.refresh()
        kept(answer)
        assert answer.json()["code"] == "unexpected_failure"
        assert "a fault" not in answer.text
        monkeypatch.undo()
        assert (await phone.refresh()).status_code == 200

    async def test_not_configured(self, auth_settings: ApiSettings) -> None:
        """A replica without keys, as in a rollout that went wrong, ends no session; it publishes no keys."""
        async with serving(auth_settings, auth_signing_keys=None) as phone:
            phone.session = {"access_token": "x", "refresh_token": "x"}
            kept(await phone.refresh())
            assert (await phone.ask("GET", ".well-known/jwks.json")).json() == {"keys": []}
            assert (await phone.ask("GET", "health")).status_code == 200

    async def test_keys_missing(self, auth_settings: ApiSettings) -> None:
        """Nor does one without the keys of the app."""
        async with serving(auth_settings, anon_keys=()) as phone:
            kept(await phone.token("refresh_token", refresh_token="x"))

    async def test_provider_away(self, auth_settings: ApiSettings) -> None:
        """A provider that does not answer: 503 before a sign-in, and an error to the app on its way back."""
        async with serving(auth_settings, auth_google_issuer="http://127.0.0.1:9") as phone:
            answer = await phone.api.get("/auth/v1/authorize?provider=google")
            assert (answer.status_code, set(answer.json())) == (503, {"code", "message"})


class TestRepeatedRefresh:
    async def test_at_once(self, phone: Phone) -> None:
        """Ten refreshes at once with one token get one and the same next token."""
        await phone.sign_in()
        token = phone.session["refresh_token"]
        answers = await asyncio.gather(*(phone.token("refresh_token", refresh_token=token) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1

    async def test_another_replica(self, auth_settings: ApiSettings) -> None:
        """The answer was lost in a roll: the next replica gives the same pair again."""
        async with serving(auth_settings) as first, serving(auth_settings) as second:
            await first.sign_in()
            lost = first.session["refresh_token"]
            given = (await first.refresh()).json()["refresh_token"]
            assert (await second.refresh(lost)).json()["refresh_token"] == given
            assert (await second.refresh(given)).status_code == 200

    async def test_restored_database(self, phone: Phone, session: AsyncSession) -> None:
        """Phones that refreshed after the backup was made go on."""
        await phone.sign_in()
        for _ in range(3):
            await phone.refresh()
        await session.execute(text("UPDATE sessions SET counter = 1"))
        await session.commit()
        assert (await phone.refresh()).status_code == 200
        assert (await phone.refresh()).status_code == 200


class TestRotation:
    async def test_signing_keys(self, auth_settings: ApiSettings, signing_key: str) -> None:
        """Published before it signs, accepted until it is taken out: nobody notices."""
        new = new_key()
        steps = (signing_key, signing_key + new, new + signing_key, new)
        held: list[dict[str, Any]] = []
        for number, keys in enumerate(steps):
            async with serving(auth_settings, auth_signing_keys=SecretStr(keys)) as phone:
                published = (await phone.ask("GET", ".well-known/jwks.json")).json()["keys"]
                assert len(published) == (2 if number in {1, 2} else 1)
                assert all(not {"d", "p", "q"} & set(key) for key in published)
                await phone.sign_in()
                assert jwt.get_unverified_header(phone.session["access_token"])["kid"] == published[0]["kid"]
                held.append(dict(phone.session))
                for session in held:
                    phone.session = dict(session)
                    known = jwt.get_unverified_header(session["access_token"])["kid"] in {
                        key["kid"] for key in published
                    }
                    assert (await phone.ask("GET", "user")).status_code == (200 if known else 401)
                    assert (await phone.refresh()).status_code == 200, "a refresh token depends on no signing key"
                    session.update(phone.session)

    async def test_session_secrets(self, auth_settings: ApiSettings) -> None:
        """Tokens of the secret before are accepted as long as it is in the list."""
        old, new = auth_settings.auth_session_secrets[0], SecretStr("n" * 32)
        async with serving(auth_settings) as phone:
            session = await phone.sign_in()
        async with serving(auth_settings, auth_session_secrets=(new, old)) as phone:
            assert (await phone.refresh(session["refresh_token"])).status_code == 200
            session = phone.session
        async with serving(auth_settings, auth_session_secrets=(new,)) as phone:
            assert (await phone.refresh(session["refresh_token"])).status_code == 200


class TestLog:
    async def test_nothing_personal(self, phone: Phone, capfd: pytest.CaptureFixture[str]) -> None:
        """Neither e-mail addresses nor tokens nor codes are logged."""
        code, verifier = await phone.code("visitor")
        phone.session = (await phone.token("pkce", auth_code=code, code_verifier=verifier)).json()
        stolen = phone.session["refresh_token"]
        await phone.refresh()
        await phone.refresh()
        await phone.refresh(stolen)
        written = "".join(capfd.readouterr())
        assert "/auth/v1/token" in written
        for secret in ("example.org", code, verifier, stolen, phone.session["access_token"], "visitor"):
            assert secret not in written


class TestTwoDevices:
    async def test_apart(self, phone: Phone, new_phone: Callable[[], Phone]) -> None:
        """Theft on one device ends nothing on another."""
        other = new_phone()
        await phone.sign_in()
        await other.sign_in()
        stolen = phone.session["refresh_token"]
        await phone.refresh()
        await phone.refresh()
        await phone.refresh(stolen)
        assert (await other.refresh()).status_code == 200
