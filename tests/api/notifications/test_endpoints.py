"""`/me/notifications` over HTTP."""

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.users import ensure_user
from tests.api.conftest import Sign

ME, OTHER = "mette", "ole"
DEVICE = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
    "keys": {"p256dh": "B" * 87, "auth": "a" * 22},
    "expirationTime": None,
}


@pytest.fixture
async def told(session: AsyncSession) -> AsyncSession:
    """A person with two notifications."""
    await ensure_user(session, ME)
    for number, kind in enumerate(("market_cancelled", "erasure_link")):
        await session.execute(
            text(
                """INSERT INTO notifications (id, user_id, event_id, kind, payload, created_at)
                   VALUES (gen_random_uuid(), :user, :number, :kind,
                           jsonb_build_object('name', 'Torvet', 'request', 'secret'),
                           now() + :number * interval '1 s')"""
            ),
            {"user": ME, "number": number, "kind": kind},
        )
    await session.commit()
    return session


class TestNotifications:
    async def test_list(self, client: httpx.AsyncClient, told: AsyncSession, sign: Sign) -> None:
        """The newest first, with words and reason in one's language; nobody else's."""
        found = (await client.get("/me/notifications", headers=sign(ME))).json()
        assert found["unread"] == 2
        link, cancelled = found["notifications"]
        assert (cancelled["title"], "favoritter" in cancelled["why"]) == ("Torvet er aflyst", True)
        assert "secret" not in str(link)
        await client.put("/me/notifications/preferences", json={"language": "en"}, headers=sign(ME))
        found = (await client.get("/me/notifications?limit=1&offset=1", headers=sign(ME))).json()
        assert found["notifications"][0]["title"] == "Torvet is called off"
        assert (await client.get("/me/notifications", headers=sign(OTHER))).json()["notifications"] == []
        assert (await client.get("/me/notifications")).status_code == 401

    async def test_read(self, client: httpx.AsyncClient, told: AsyncSession, sign: Sign) -> None:
        """One, then all; another person's marks change nothing."""
        first = (await client.get("/me/notifications", headers=sign(ME))).json()["notifications"][0]["id"]
        await client.post("/me/notifications/read", headers=sign(OTHER))
        for body, left in (({"ids": [first]}, 1), ({"ids": []}, 1), (None, 0)):
            answer = await client.post("/me/notifications/read", json=body, headers=sign(ME))
            assert answer.status_code == 204
            assert (await client.get("/me/notifications?unread=true", headers=sign(ME))).json()["unread"] == left

    async def test_preferences(self, client: httpx.AsyncClient, sign: Sign) -> None:
        """What is put is what is got; half of quiet hours, unknown words and offsets are refused."""
        url = "/me/notifications/preferences"
        assert (await client.get(url, headers=sign(ME))).json()["digest"] == "none"
        wanted = {"language": "en", "email": False, "push": True, "digest": "weekly", "quiet_from": "22:00:00"}
        wanted |= {"quiet_until": "07:00:00", "muted": ["photo_ready"]}
        for _ in range(2):
            assert (await client.put(url, json=wanted, headers=sign(ME))).status_code == 204
        assert (await client.get(url, headers=sign(ME))).json() == wanted
        bad = ({"quiet_from": "22:00"}, {"digest": "hourly"}, {"muted": ["x"]}, {"language": "kl"}, {"x": 1})
        offset = {"quiet_from": "22:00+02:00", "quiet_until": "07:00+02:00"}
        for body in (*bad, offset):
            assert (await client.put(url, json=body, headers=sign(ME))).status_code == 422

    async def test_devices(self, client: httpx.AsyncClient, sign: Sign, session: AsyncSession) -> None:
        """A device belongs to whoever subscribed it last; addresses of no push service are refused."""
        count = text("SELECT user_id FROM push_subscriptions")
        for user in (ME, ME, OTHER):
            answer = await client.put("/me/push-subscriptions", json=DEVICE, headers=sign(user))
            assert answer.status_code == 204
        assert list((await session.execute(count)).scalars()) == [OTHER]
        await session.rollback()
        for user, left in ((ME, [OTHER]), (OTHER, [])):
            body = {"endpoint": DEVICE["endpoint"]}
            answer = await client.request("DELETE", "/me/push-subscriptions", json=body, headers=sign(user))
            assert answer.status_code == 204
            assert list((await session.execute(count)).scalars()) == left
            await session.rollback()
        for endpoint in ("https://10.0.0.1/x", "http://fcm.googleapis.com/x", "https://fcm.googleapis.com.evil/x"):
            answer = await client.put("/me/push-subscriptions", json={**DEVICE, "endpoint": endpoint}, headers=sign(ME))
            assert answer.status_code == 422
        assert (await client.get("/me/push-key", headers=sign(ME))).json() == {"key": None}
