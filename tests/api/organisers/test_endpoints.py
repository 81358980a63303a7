"""Organisers claim markets, admins decide, and what they see is about their own markets only."""

import uuid

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role
from loppestars_core.accounts.users import ensure_user
from tests.api.conftest import Sign
from tests.factories.markets import add_market

ME, OTHER, ADMIN = "mette", "ole", "admin"


@pytest.fixture
async def markets(session: AsyncSession) -> list[uuid.UUID]:
    """Two dates of one market, and another market; there is an admin."""
    series = uuid.uuid4()
    await ensure_user(session, ADMIN)
    await grant_role(session, ADMIN, Role.ADMIN, granted_by=None, notes="")
    found = [await add_market(session, series_id=series) for _ in range(2)] + [await add_market(session)]
    await session.commit()
    return found


async def claim(client: httpx.AsyncClient, market: uuid.UUID, sign: Sign, decision: str | None = None) -> str:
    """Claim a market, and have it decided."""
    answer = await client.post(f"/markets/{market}/claim", json={"message": "Mine"}, headers=sign(ME))
    assert answer.status_code == 202
    found = str(answer.json()["id"])
    if decision:
        url = f"/claims/{found}"
        assert (await client.post(url, json={"decision": decision}, headers=sign(ADMIN))).status_code == 204
    return found


class TestClaims:
    async def test_granted(
        self, client: httpx.AsyncClient, markets: list[uuid.UUID], sign: Sign, session: AsyncSession
    ) -> None:
        """The user becomes an organiser and sees numbers of all dates of the market, not of others."""
        claim_id = await claim(client, markets[0], sign)
        assert await claim(client, markets[0], sign) == claim_id
        assert (await client.get("/me/markets", headers=sign(ME))).json() == []
        assert [item["id"] for item in (await client.get("/claims", headers=sign(ADMIN))).json()] == [claim_id]
        await client.post(f"/claims/{claim_id}", json={"decision": "grant"}, headers=sign(ADMIN))
        for user, stars in ((ME, 4), (OTHER, 9)):
            await client.put(f"/markets/{markets[1]}/ratings", json={"rating": stars}, headers=sign(user))
        await client.put(f"/me/favourites/{markets[1]}", headers=sign(OTHER))
        found = {item["market_id"]: item for item in (await client.get("/me/markets", headers=sign(ME))).json()}
        assert found.keys() == {str(markets[0]), str(markets[1])}
        shown = found[str(markets[1])]
        assert (shown["average"], shown["ratings"], shown["favourites"]) == (6.5, 2, 1)
        assert (await client.get("/me", headers=sign(ME))).json()["roles"] == ["organiser"]
        entries = text("SELECT action FROM audit_log WHERE action LIKE 'market.claim%' ORDER BY id")
        assert list((await session.execute(entries)).scalars()) == ["market.claimed", "market.claim_granted"]

    async def test_refused(self, client: httpx.AsyncClient, markets: list[uuid.UUID], sign: Sign) -> None:
        """Nothing is seen; the user may ask again, and a decision stands."""
        claim_id = await claim(client, markets[0], sign, "refuse")
        again = await client.post(f"/claims/{claim_id}", json={"decision": "grant"}, headers=sign(ADMIN))
        assert again.status_code == 409
        assert (await client.get("/me/markets", headers=sign(ME))).json() == []
        assert await claim(client, markets[0], sign) != claim_id
        states = [item["state"] for item in (await client.get("/me/claims", headers=sign(ME))).json()]
        assert states == ["refused", "requested"]

    async def test_revoked(self, client: httpx.AsyncClient, markets: list[uuid.UUID], sign: Sign) -> None:
        """With the last granted claim the role goes."""
        first, second = await claim(client, markets[0], sign, "grant"), await claim(client, markets[2], sign, "grant")
        for claim_id, roles in ((first, ["organiser"]), (second, [])):
            answer = await client.post(f"/claims/{claim_id}", json={"decision": "revoke"}, headers=sign(ADMIN))
            assert answer.status_code == 204
            assert (await client.get("/me", headers=sign(ME))).json()["roles"] == roles

    async def test_others(self, client: httpx.AsyncClient, markets: list[uuid.UUID], sign: Sign) -> None:
        """Only admins decide, only one's own claims are listed, and there must be such a market."""
        claim_id = await claim(client, markets[0], sign)
        url = f"/claims/{claim_id}"
        assert (await client.post(url, json={"decision": "grant"}, headers=sign(ME))).status_code == 403
        assert (await client.get("/claims", headers=sign(ME))).status_code == 403
        assert (await client.get("/me/claims", headers=sign(OTHER))).json() == []
        assert (await client.post(f"/markets/{uuid.uuid4()}/claim", headers=sign(ME))).status_code == 404
        assert (await client.post(f"/markets/{markets[0]}/claim")).status_code == 401
        missing = f"/claims/{uuid.uuid4()}"
        assert (await client.post(missing, json={"decision": "grant"}, headers=sign(ADMIN))).status_code == 404

    async def test_merged(
        self, client: httpx.AsyncClient, markets: list[uuid.UUID], sign: Sign, session: AsyncSession
    ) -> None:
        """A claim moves with its market; of two for the same one the granted one stays."""
        await claim(client, markets[2], sign, "grant")
        await claim(client, markets[0], sign)
        values = {"old": markets[2], "kept": markets[0]}
        await session.execute(text("INSERT INTO market_redirects (id, market_id) VALUES (:old, :kept)"), values)
        await session.execute(text("DELETE FROM markets WHERE id = :old"), values)
        await session.commit()
        (left,) = (await client.get("/me/claims", headers=sign(ME))).json()
        assert (left["market_id"], left["state"]) == (str(markets[0]), "granted")
