"""Pages for people without the app, and Facebook's callback."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.users import ensure_user
from tests.api.people.test_facebook import SECRET, signed

ME, EMAIL = "4f0c1f5e-6a0b-4c39-9a5e-3d1f6f3f9b11", "mette.hansen@example.dk"


@pytest.fixture
async def page(api_settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of an English reader, of an installation with a Facebook app."""
    settings = api_settings.model_copy(update={"facebook_app_secret": SecretStr(SECRET), "privacy_contact": "a@b.dk"})
    app = create_app(settings)
    headers = {"accept-language": "en-GB,en;q=0.9"}
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as client:
            yield client


@pytest.fixture
async def me(session: AsyncSession) -> AsyncSession:
    """A user who signed in with Facebook."""
    await ensure_user(session, ME)
    await session.execute(text("UPDATE users SET email = :email"), {"email": EMAIL})
    await session.execute(
        text(
            "INSERT INTO identities (user_id, issuer, subject, provider)"
            " VALUES (:user, 'https://www.facebook.com', '218471', 'facebook')"
        ),
        {"user": ME},
    )
    await session.commit()
    return session


async def codes(session: AsyncSession) -> list[str]:
    """The codes of all requests."""
    found = list((await session.execute(text("SELECT code FROM erasure_requests ORDER BY requested_at"))).scalars())
    await session.rollback()
    return found


class TestDeletePage:
    async def test_by_email(self, page: httpx.AsyncClient, me: AsyncSession) -> None:
        """A link for an address that is known; it shows a button, and only pressing it deletes anything."""
        shown = await page.get("/privacy/delete")
        assert "Delete your account" in shown.text
        assert "a@b.dk" in shown.text
        assert "form-action 'self'" in shown.headers["content-security-policy"]
        answers = [
            (await page.post("/privacy/delete", data={"email": email})).text
            for email in (EMAIL.upper(), EMAIL, "nobody@example.dk")
        ]
        assert len(set(answers)) == 1
        (code,) = await codes(me)
        link = f"/privacy/requests/{code}"
        assert "Delete the account?" in (await page.get(link)).text
        deleted = text("SELECT deleted_at FROM users")
        assert (await me.execute(deleted)).scalar_one() is None
        await me.rollback()
        assert "is being deleted" in (await page.post(link)).text
        assert (await me.execute(deleted)).scalar_one() is not None
        assert (await page.post(link)).status_code == 404

    async def test_old_link(self, page: httpx.AsyncClient, me: AsyncSession) -> None:
        """A link of the day before yesterday does nothing."""
        await page.post("/privacy/delete", data={"email": EMAIL})
        await me.execute(text("UPDATE erasure_requests SET requested_at = now() - interval '25 hours'"))
        await me.commit()
        (code,) = await codes(me)
        assert (await page.post(f"/privacy/requests/{code}")).status_code == 404
        assert (await me.execute(text("SELECT deleted_at FROM users"))).scalar_one() is None

    async def test_unknown(self, page: httpx.AsyncClient) -> None:
        """A code that nobody has, and an address that is none."""
        assert (await page.get("/privacy/requests/guessed")).status_code == 404
        assert (await page.post("/privacy/delete", data={"email": "no address"})).status_code == 422
        danish = await page.get("/privacy/delete", headers={"accept-language": "da"})
        assert "Slet din konto" in danish.text

    async def test_limited(self, page: httpx.AsyncClient) -> None:
        """One address cannot have messages sent without end."""
        statuses = [(await page.post("/privacy/delete", data={"email": f"{n}@b.dk"})).status_code for n in range(11)]
        assert (statuses[0], statuses[-1]) == (200, 429)


class TestFacebook:
    async def test_deletes(self, page: httpx.AsyncClient, me: AsyncSession) -> None:
        """The account of the user that Facebook names; the address that is answered shows how far it is."""
        request = signed(issued_at=datetime.now(UTC).timestamp())
        answer = (await page.post("/privacy/facebook", data={"signed_request": request})).json()
        assert answer["confirmation_code"] in answer["url"]
        assert "is being deleted" in (await page.get(httpx.URL(answer["url"]).path)).text
        assert (await me.execute(text("SELECT deleted_at FROM users"))).scalar_one() is not None

    async def test_unknown_user(self, page: httpx.AsyncClient) -> None:
        """Somebody who was never here is told that nothing is left."""
        request = signed(user_id="1", issued_at=datetime.now(UTC).timestamp())
        answer = (await page.post("/privacy/facebook", data={"signed_request": request})).json()
        assert "Everything is deleted" in (await page.get(httpx.URL(answer["url"]).path)).text

    async def test_forged(self, page: httpx.AsyncClient, me: AsyncSession, client: httpx.AsyncClient) -> None:
        """A signature of another secret deletes nobody; without a secret the callback is closed."""
        request = signed("another-secret", issued_at=datetime.now(UTC).timestamp())
        assert (await page.post("/privacy/facebook", data={"signed_request": request})).status_code == 403
        assert (await me.execute(text("SELECT deleted_at FROM users"))).scalar_one() is None
        assert (await client.post("/privacy/facebook", data={"signed_request": request})).status_code == 404
