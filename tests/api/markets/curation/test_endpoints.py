"""Corrections, sources, history and decisions over HTTP."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from loppestars_core.events.models import AuditEntry
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.ingest import record_sighting
from loppestars_core.markets.sighting import SourceMarket
from tests.api.conftest import Sign

TODAY = today_in_denmark()
CALENDAR = SourceMarket(
    source="calendar",
    external_id="Remisen|1",
    name="Remisen Loppemarked",
    category="Loppemarked",
    start_date=TODAY,
    end_date=TODAY,
    postal_code="2100",
    city="København Ø",
    address="Blegdamsvej 132",
    url="https://calendar.example/remisen",
)
EVENTS = replace(CALENDAR, source="events", external_id="85354", name="Loppemarked i Remisen", rank=10, url=None)


@pytest.fixture
async def admin(session: AsyncSession, sign: Sign) -> dict[str, str]:
    """The headers of an admin."""
    await ensure_user(session, "admin-1")
    await session.execute(insert(RoleGrant).values(user_id="admin-1", role="admin"))
    await session.commit()
    return sign("admin-1")


async def listed(session: AsyncSession, client: httpx.AsyncClient, *said: SourceMarket) -> list[dict[str, Any]]:
    """Store what sources say; return today's list."""
    for market in said:
        await record_sighting(session, market)
    await session.commit()
    found: list[dict[str, Any]] = (await client.get("/markets/today")).json()
    return found


class TestAccess:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PATCH", "/markets/{id}"),
            ("GET", "/markets/{id}/corrections"),
            ("DELETE", "/markets/{id}/corrections/name"),
            ("GET", "/markets/{id}/history"),
            ("POST", "/markets/{id}/split"),
            ("GET", "/markets/pairs"),
            ("POST", "/markets/pairs"),
            ("GET", "/markets/decisions"),
            ("DELETE", "/markets/decisions/1"),
        ],
    )
    async def test_admins_only(self, client: httpx.AsyncClient, sign: Sign, method: str, path: str) -> None:
        """401 without a token, 403 for a visitor."""
        path = path.format(id=uuid.uuid4())
        assert (await client.request(method, path, json={})).status_code == 401
        assert (await client.request(method, path, json={}, headers=sign("visitor"))).status_code == 403


class TestCorrections:
    async def test_they_stay_through_crawls_until_withdrawn(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """Who and when is kept; what the source says meanwhile is shown once the correction is withdrawn."""
        [market] = await listed(session, client, CALENDAR)
        path = f"/markets/{market['id']}"
        sent = {"opening_hours": "9-12", "entry_fee": "20.50", "latitude": 55.7, "longitude": 12.57, "has_food": True}
        answer = await client.patch(path, json=sent, headers=admin)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["opening_hours"], answer.json()["entry_fee"]) == ("9-12", 20.5)
        [market] = await listed(session, client, replace(CALENDAR, opening_hours="10-16"))
        assert (market["opening_hours"], market["has_food"], market["latitude"]) == ("9-12", True, 55.7)
        corrections = (await client.get(f"{path}/corrections", headers=admin)).json()
        assert [correction["field"] for correction in corrections] == sorted(sent)
        assert {correction["set_by"] for correction in corrections} == {"admin-1"}
        assert (await client.delete(f"{path}/corrections/opening_hours", headers=admin)).status_code == 204
        assert (await client.delete(f"{path}/corrections/opening_hours", headers=admin)).status_code == 404
        assert (await client.get(path)).json()["opening_hours"] == "10-16"
        history = (await client.get(f"{path}/history", headers=admin)).json()
        hours = [change for change in history if change["field"] == "opening_hours"]
        assert [(change["by"], change["after"]) for change in hours] == [
            ("admin", None),
            ("calendar", "10-16"),
            ("admin", "9-12"),
        ]
        actions = (await session.execute(select(AuditEntry.action, AuditEntry.actor_id))).all()
        assert [tuple(row) for row in actions] == [
            ("market.corrected", "admin-1"),
            ("market.correction_withdrawn", "admin-1"),
        ]

    async def test_called_off_by_an_admin(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """It leaves the lists, whatever its source says."""
        [market] = await listed(session, client, CALENDAR)
        await client.patch(f"/markets/{market['id']}", json={"state": "cancelled"}, headers=admin)
        assert await listed(session, client, replace(CALENDAR, opening_hours="10-16")) == []

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": None},
            {"id": str(uuid.uuid4())},
            {"latitude": 55.0},
            {"latitude": None, "longitude": 12.0},
            {"entry_fee": -1},
            {"entry_fee": "NaN"},
            {"postal_code": "21"},
            {"state": "lost"},
            {"end_date": (TODAY - timedelta(days=1)).isoformat()},
            {"name": "a\x00b"},
        ],
    )
    async def test_wrong_values_are_refused(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str], body: dict[str, Any]
    ) -> None:
        """With 422, and nothing is changed."""
        [market] = await listed(session, client, CALENDAR)
        assert (await client.patch(f"/markets/{market['id']}", json=body, headers=admin)).status_code == 422
        assert await listed(session, client) == [market]

    async def test_unknown_markets_are_404(self, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
        """Whether the id could be one or not."""
        for path in (f"/markets/{uuid.uuid4()}", "/markets/x"):
            assert (await client.patch(path, json={"name": "x"}, headers=admin)).status_code == 404
            assert (await client.get(f"{path}/sources")).status_code == 404


class TestDecisions:
    async def test_split_and_undo(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """Anybody sees the sources; an admin takes them apart and together again, by id and number."""
        [market] = await listed(session, client, CALENDAR, EVENTS)
        path = f"/markets/{market['id']}"
        sources = (await client.get(f"{path}/sources")).json()
        assert [(source["source"], source["state"]) for source in sources] == [
            ("events", "listed"),
            ("calendar", "listed"),
        ]
        assert sources[1]["url"] == "https://calendar.example/remisen"
        refused = await client.post(f"{path}/split", json={"sources": ["nobody"]}, headers=admin)
        assert (refused.status_code, "calendar, events" in refused.json()["detail"]) == (409, True)
        made = (await client.post(f"{path}/split", json={"sources": ["events"]}, headers=admin)).json()
        changed = replace(EVENTS, opening_hours="10-16")
        assert {found["id"] for found in await listed(session, client, changed)} == {market["id"], made["market_id"]}
        undone = await client.delete(f"/markets/decisions/{made['decision']}", headers=admin)
        assert undone.status_code == 204
        assert [found["id"] for found in await listed(session, client)] == [market["id"]]
        assert (await client.get(f"/markets/{made['market_id']}")).json()["id"] == market["id"]
        decisions = (await client.get("/markets/decisions", headers=admin)).json()
        assert [(decision["kind"], decision["automatic"]) for decision in decisions] == [
            ("split", False),
            ("same", True),
        ]
        assert all(decision["revoked_at"] for decision in decisions)

    async def test_pairs_are_decided(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """A doubtful pair is shown with its reasons, joined, and is on the list no more."""
        plain = replace(EVENTS, name="Loppemarked", address=None)
        await listed(session, client, replace(CALENDAR, name="Vestre Skole", address=None), plain)
        [pair] = (await client.get("/markets/pairs", headers=admin)).json()
        assert (0.5 <= pair["score"] < 0.8, bool(pair["reasons"])) == (True, True)
        body = {"market_id": pair["market"]["market_id"], "other_id": pair["other"]["market_id"], "same": True}
        answer = await client.post("/markets/pairs", json=body, headers=admin)
        assert answer.status_code == 200, answer.text
        assert (await client.get("/markets/pairs", headers=admin)).json() == []
        assert [market["id"] for market in await listed(session, client)] == [body["market_id"]]
        assert (await client.post("/markets/pairs", json=body, headers=admin)).status_code == 409
        about = (await client.get("/markets/decisions", params={"market_id": body["other_id"]}, headers=admin)).json()
        assert [decision["kind"] for decision in about] == ["same"]
