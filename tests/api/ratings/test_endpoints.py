"""Ratings, averages and favourites over HTTP."""

import uuid
from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from tests.api.conftest import Sign
from tests.factories.markets import add_market

ME, OTHER = "mette", "ole"


@pytest.fixture
async def market(session: AsyncSession) -> uuid.UUID:
    """A market of 2026."""
    identifier = await add_market(session, name="Torvets loppemarked")
    await session.commit()
    return identifier


class TestRatings:
    async def test_once_per_place(self, client: httpx.AsyncClient, market: uuid.UUID, sign: Sign) -> None:
        """A second rating of a place changes the first and keeps what it does not name; a stall is another place."""
        url = f"/markets/{market}/ratings"
        first = await client.put(
            url, json={"rating": 4, "comment": "Fine", "mobilepay_phone": "20 30 40 50"}, headers=sign(ME)
        )
        second = await client.put(url, json={"rating": 8}, headers=sign(ME))
        assert first.json() == second.json()
        stall = {"rating": 5, "stall_name": " Bod 7 & søn "}
        assert (await client.put(url, json=stall, headers=sign(ME))).json() != first.json()
        assert (await client.put(url, json={"rating": 10}, headers=sign(OTHER))).status_code == 200
        found = (await client.get(url)).json()
        assert found["summary"]["all"] == {"average": 7.67, "count": 3}
        assert found["summary"]["market"] == {"average": 9.0, "count": 2}
        assert found["summary"]["stalls"] == {"average": 5.0, "count": 1}
        assert [(item["rating"], item["stall_name"], item["comment"]) for item in found["ratings"]][1:] == [
            (5, "Bod 7 & søn", None),
            (8, None, "Fine"),
        ]
        assert "20 30 40 50" not in str(found)
        assert ME not in str(found)

    async def test_own(self, client: httpx.AsyncClient, market: uuid.UUID, sign: Sign) -> None:
        """One's own with the phone number and the market; only oneself can delete one."""
        url = f"/markets/{market}/ratings"
        rated = (await client.put(url, json={"rating": 4, "mobilepay_phone": "20304050"}, headers=sign(ME))).json()
        (own,) = (await client.get("/me/ratings", headers=sign(ME))).json()
        assert (own["mobilepay_phone"], own["market_name"]) == ("20304050", "Torvets loppemarked")
        assert (await client.get("/me/ratings", headers=sign(OTHER))).json() == []
        mine = f"/me/ratings/{rated['id']}"
        assert (await client.delete(mine, headers=sign(OTHER))).status_code == 404
        assert (await client.delete(mine, headers=sign(ME))).status_code == 204
        assert (await client.get(url)).json()["summary"]["all"] == {"average": None, "count": 0}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"rating": 0},
            {"rating": 11},
            {"rating": 5, "stall_name": " "},
            {"rating": 5, "user_id": "ole"},
            {"rating": 5, "comment": "a\x00"},
            {"rating": 5, "photo_url": "javascript:x"},
        ],
    )
    async def test_refused(
        self, client: httpx.AsyncClient, market: uuid.UUID, sign: Sign, body: dict[str, object]
    ) -> None:
        """Numbers out of range, empty names, others' names, what is no text and no address."""
        assert (await client.put(f"/markets/{market}/ratings", json=body, headers=sign(ME))).status_code == 422

    async def test_unknown(self, client: httpx.AsyncClient, market: uuid.UUID, sign: Sign) -> None:
        """A market that is not there, and a caller that is nobody."""
        missing = f"/markets/{uuid.uuid4()}/ratings"
        assert (await client.get(missing)).status_code == 404
        assert (await client.put(missing, json={"rating": 5}, headers=sign(ME))).status_code == 404
        assert (await client.put(f"/markets/{market}/ratings", json={"rating": 5})).status_code == 401
        assert (await client.get("/me/ratings")).status_code == 401

    async def test_merged(
        self, client: httpx.AsyncClient, market: uuid.UUID, sign: Sign, session: AsyncSession
    ) -> None:
        """The id of a market that was merged into another rates and reads that one."""
        old = uuid.uuid4()
        await session.execute(
            text("INSERT INTO market_redirects (id, market_id) VALUES (:old, :market)"), {"old": old, "market": market}
        )
        await session.commit()
        assert (await client.put(f"/markets/{old}/ratings", json={"rating": 5}, headers=sign(ME))).status_code == 200
        assert (await client.get(f"/markets/{market}/ratings")).json()["summary"]["all"]["count"] == 1
        assert (await client.get(f"/markets/{old}/ratings")).json()["summary"]["market_id"] == str(market)


@pytest.fixture
async def counted(api_settings: ApiSettings) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """A client, and the statements about ratings that the API sends."""
    app = create_app(api_settings)
    statements: list[str] = []
    async with app.router.lifespan_context(app):
        engine = app.state.shared.engine.sync_engine

        def note(*arguments: object) -> None:
            if "ratings" in str(arguments[2]):
                statements.append(str(arguments[2]))

        event.listen(engine, "before_cursor_execute", note)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield client, statements


class TestSummaries:
    async def test_one_query(
        self, counted: tuple[httpx.AsyncClient, list[str]], session: AsyncSession, sign: Sign
    ) -> None:
        """A screen of fifty markets costs one statement, and says the same as each market by itself."""
        client, statements = counted
        markets = [await add_market(session) for _ in range(50)]
        await session.commit()
        for number, market in enumerate(markets[:3]):
            await client.put(f"/markets/{market}/ratings", json={"rating": number + 3}, headers=sign(ME))
        statements.clear()
        found = await client.get("/markets/ratings", params={"market_id": [str(market) for market in markets]})
        assert len(statements) == 1
        assert [item["all"]["count"] for item in found.json()] == [1, 1, 1] + [0] * 47
        assert [item["all"]["average"] for item in found.json()][:4] == [3.0, 4.0, 5.0, None]
        again = await client.get(found.request.url.raw_path.decode(), headers={"If-None-Match": found.headers["etag"]})
        assert again.status_code == 304

    async def test_refused(self, client: httpx.AsyncClient) -> None:
        """None, too many, and what is no id."""
        for ids in ([], ["x"], [str(uuid.uuid4()) for _ in range(101)]):
            assert (await client.get("/markets/ratings", params={"market_id": ids})).status_code == 422


class TestFavourites:
    async def test_kept(self, client: httpx.AsyncClient, session: AsyncSession, sign: Sign) -> None:
        """Added and removed as often as one likes, listed by date, and nobody else's business."""
        soon = await add_market(session, start_date=date(2099, 5, 1), end_date=date(2099, 5, 1), name="Soon")
        later = await add_market(session, start_date=date(2099, 6, 1), end_date=date(2099, 6, 1), name="Later")
        over = await add_market(session, start_date=date(2020, 6, 1), end_date=date(2020, 6, 1), state="vanished")
        await session.commit()
        for market in (over, later, soon, soon):
            assert (await client.put(f"/me/favourites/{market}", headers=sign(ME))).status_code == 204
        found = (await client.get("/me/favourites", headers=sign(ME))).json()
        assert [item["market_id"] for item in found] == [str(soon), str(later), str(over)]
        assert found[2]["state"] == "vanished"
        assert (await client.get("/me/favourites", headers=sign(OTHER))).json() == []
        assert (await client.delete(f"/me/favourites/{soon}", headers=sign(OTHER))).status_code == 204
        for _ in range(2):
            assert (await client.delete(f"/me/favourites/{later}", headers=sign(ME))).status_code == 204
        assert len((await client.get("/me/favourites", headers=sign(ME))).json()) == 2

    async def test_unknown(self, client: httpx.AsyncClient, sign: Sign) -> None:
        """No such market, no such id, no caller."""
        assert (await client.put(f"/me/favourites/{uuid.uuid4()}", headers=sign(ME))).status_code == 404
        assert (await client.put("/me/favourites/x", headers=sign(ME))).status_code == 404
        assert (await client.put(f"/me/favourites/{uuid.uuid4()}")).status_code == 401
