"""Markets over HTTP: which, in which order, and exactly which keys."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.markets.schemas import KEYS, MarketResponse
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.models import MarketRedirect, MarketState
from tests.factories.markets import add_market

COPENHAGEN = {"latitude": 55.6761, "longitude": 12.5683}
CONTRACT = [
    "id",
    "external_id",
    "name",
    "municipality",
    "category",
    "start_date",
    "end_date",
    "address",
    "city",
    "postal_code",
    "latitude",
    "longitude",
    "description",
    "organizer_name",
    "organizer_phone",
    "organizer_email",
    "organizer_website",
    "opening_hours",
    "entry_fee",
    "stall_count",
    "has_food",
    "has_parking",
    "has_toilets",
    "has_wifi",
    "is_indoor",
    "is_outdoor",
    "special_features",
    "source_url",
    "loppemarkeder_nu",
    "scraped_at",
    "distance",
]
Add = Callable[..., Awaitable[uuid.UUID]]


def day(offset: int) -> date:
    return today_in_denmark() + timedelta(days=offset)


@pytest.fixture
def add(session: AsyncSession) -> Add:
    """Add a market that runs today; each column may be given."""

    async def add_one(name: str, **columns: Any) -> uuid.UUID:
        made = await add_market(session, **{"name": name, "start_date": day(0), "end_date": day(0), **columns})
        await session.commit()
        return made

    return add_one


async def names(client: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    answer = await client.get(f"/markets/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return [market["name"] for market in answer.json()]


class TestShape:
    async def test_keys_in_the_contracts_order_with_nulls(self, client: httpx.AsyncClient, add: Add) -> None:
        """In lists and by id; a market of which little is known has all keys."""
        found = await add("Bare", municipality=None, city=None, latitude=None, longitude=None)
        for document in (
            (await client.get("/markets/today")).json()[0],
            (await client.get(f"/markets/{found}")).json(),
        ):
            assert list(document) == CONTRACT == list(KEYS)
            assert document["distance"] is None
            assert document["start_date"] == day(0).isoformat()

    async def test_the_fast_way_gives_what_the_schema_says(self, client: httpx.AsyncClient, add: Add) -> None:
        """Validated by the documented model and dumped again, every list is the same."""
        await add(
            "Whole",
            description='Æøå "quoted"\n</script>\u2028🛍',
            entry_fee=Decimal("25.50"),
            stall_count=12,
            has_food=True,
            source_fields={"gratis": True, "tal": 1.5, "liste": [None, "ø"]},
            scraped_at=datetime(2026, 6, 1, 12, 30, 15, 123456, tzinfo=UTC),
        )
        await add("Bare", municipality=None, entry_fee=None)
        adapter = TypeAdapter(list[MarketResponse])
        for path in ("today", "nearby", "search"):
            params: dict[str, Any] = {"query": "e"} if path == "search" else COPENHAGEN
            answer = await client.get(f"/markets/{path}", params=params)
            again = adapter.dump_python(adapter.validate_json(answer.content), mode="json")
            assert answer.json() == again
        fees = {market["name"]: market["entry_fee"] for market in (await client.get("/markets/today")).json()}
        assert fees == {"Whole": 25.5, "Bare": None}

    async def test_unknown_values_never_fail_the_list(self, client: httpx.AsyncClient, add: Add) -> None:
        """A category nobody has heard of is text like any other."""
        await add("Odd", category="💃", entry_fee=Decimal("0.00"), stall_count=0)
        assert await names(client, "today") == ["Odd"]


class TestToday:
    async def test_running_today(self, client: httpx.AsyncClient, add: Add) -> None:
        """Started on or before today, ends on or after; cancelled and vanished ones are not listed."""
        await add("single day")
        await add("in the middle", start_date=day(-3), end_date=day(3))
        await add("last day", start_date=day(-3))
        await add("first day", end_date=day(3))
        await add("yesterday", start_date=day(-1), end_date=day(-1))
        await add("tomorrow", start_date=day(1), end_date=day(1))
        await add("cancelled", state=MarketState.CANCELLED)
        await add("vanished", state=MarketState.VANISHED)
        assert set(await names(client, "today")) == {"single day", "in the middle", "last day", "first day"}

    async def test_with_a_position_it_has_distances(self, client: httpx.AsyncClient, add: Add) -> None:
        """The nearest first, those without coordinates last."""
        await add("nowhere", latitude=None, longitude=None)
        await add("Aarhus", latitude=56.1572, longitude=10.2107)
        await add("here")
        answer = (await client.get("/markets/today", params=COPENHAGEN)).json()
        assert [market["name"] for market in answer] == ["here", "Aarhus", "nowhere"]
        assert answer[0]["distance"] == 0
        assert answer[1]["distance"] == pytest.approx(155.9, abs=1.5)
        assert answer[2]["distance"] is None

    @pytest.mark.parametrize("half", ["latitude", "longitude"])
    async def test_half_a_position_is_refused(self, client: httpx.AsyncClient, half: str) -> None:
        """Both or none."""
        answer = await client.get("/markets/today", params={half: 10})
        assert answer.status_code == 422
        assert "together" in answer.json()["detail"]


class TestNearby:
    async def test_nearest_first_and_never_beyond_the_radius(self, client: httpx.AsyncClient, add: Add) -> None:
        """0.0 km comes first; the limit is applied after sorting; nothing without coordinates."""
        for number in range(6):
            await add(f"{number}", latitude=55.6761 + (5 - number) * 0.1)
        await add("nowhere", latitude=None, longitude=None)
        answer = await client.get("/markets/nearby", params={**COPENHAGEN, "radius_km": 40, "limit": 3})
        found = answer.json()
        assert [market["name"] for market in found] == ["5", "4", "3"]
        assert found[0]["distance"] == 0
        everything = (await client.get("/markets/nearby", params={**COPENHAGEN, "radius_km": 40})).json()
        assert [market["name"] for market in everything] == ["5", "4", "3", "2"]
        assert all(market["distance"] <= 40 for market in everything)

    async def test_days(self, client: httpx.AsyncClient, add: Add) -> None:
        """Running ones are included, later ones as far as asked."""
        await add("running", start_date=day(-5), end_date=day(5))
        await add("next week", start_date=day(7), end_date=day(7))
        await add("next month", start_date=day(40), end_date=day(40))
        await add("over", start_date=day(-5), end_date=day(-1))
        assert set(await names(client, "nearby", **COPENHAGEN)) == {"running", "next week"}
        assert set(await names(client, "nearby", **COPENHAGEN, days_ahead=40)) == {"running", "next week", "next month"}
        assert set(await names(client, "nearby", **COPENHAGEN, days_ahead=6)) == {"running"}

    async def test_radius_has_two_names(self, client: httpx.AsyncClient, add: Add) -> None:
        """`radius` as released clients say it, and `radius_km`, which wins."""
        await add("30 km away", latitude=55.6761 + 0.27)
        assert await names(client, "nearby", **COPENHAGEN, radius=10) == []
        assert await names(client, "nearby", **COPENHAGEN, radius=40) == ["30 km away"]
        assert await names(client, "nearby", **COPENHAGEN, radius=10, radius_km=40) == ["30 km away"]

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"latitude": 55.0},
            {"latitude": 90.1, "longitude": 0},
            {"latitude": 0, "longitude": -180.1},
            {"latitude": "nan", "longitude": 0},
            {"latitude": "inf", "longitude": 0},
            {"latitude": "-Infinity", "longitude": 0},
            {"latitude": "1e999", "longitude": 0},
            {"latitude": "55,6", "longitude": 0},
            {**COPENHAGEN, "radius_km": 0.9},
            {**COPENHAGEN, "radius_km": 501},
            {**COPENHAGEN, "radius": "nan"},
            {**COPENHAGEN, "days_ahead": 0},
            {**COPENHAGEN, "days_ahead": 366},
            {**COPENHAGEN, "limit": 0},
            {**COPENHAGEN, "limit": 101},
            {**COPENHAGEN, "limit": "1; DROP TABLE markets"},
            {**COPENHAGEN, "limit": 10**30},
        ],
    )
    async def test_bounds(self, client: httpx.AsyncClient, params: dict[str, Any]) -> None:
        """422 with the parameter's name."""
        answer = await client.get("/markets/nearby", params=params)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][0] == "query"

    @pytest.mark.parametrize("position", [(90, 0), (-90, 180), (0, 180), (0, -180), (89.9, -179.9)])
    async def test_the_ends_of_the_world(self, client: httpx.AsyncClient, position: tuple[float, float]) -> None:
        """Poles and antimeridian are positions like others."""
        params = {"latitude": position[0], "longitude": position[1], "radius_km": 500}
        assert await names(client, "nearby", **params) == []


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("kobenhavn", ["København"]),
            ("KØBENHAVN", ["København"]),
            ("koebenhavn", ["København"]),
            ("aarhus", ["Århus"]),
            ("århus havn", ["Århus"]),
            ("xq", []),
            ("%", []),
            ("'", []),
            ("_", []),
            ("'; DROP TABLE markets; --", []),
            ("\\", []),
            ("kobenhavn & !(", ["København"]),
            (":*", []),
            ("🛍", []),
        ],
    )
    async def test_words(self, client: httpx.AsyncClient, add: Add, query: str, found: list[str]) -> None:
        """Danish letters fold; operators and wildcards are no words."""
        await add("København", city=None, municipality=None)
        await add("Århus", city="Aarhus", municipality=None, address="Havnegade 1")
        assert await names(client, "search", query=query) == found

    async def test_best_first_and_upcoming_before_past(self, client: httpx.AsyncClient, add: Add) -> None:
        """The name itself before names that hold it, before other columns; the past last, its latest first."""
        await add("Torvet", start_date=day(-400), end_date=day(-400))
        await add("Torvet", start_date=day(-9), end_date=day(-9))
        await add("Loppemarked ved Torvet", start_date=day(2), end_date=day(2))
        await add("Torvet", start_date=day(5), end_date=day(5))
        await add("Marked", address="Torvet 3", start_date=day(1), end_date=day(1))
        found = (await client.get("/markets/search", params={"query": "torvet"})).json()
        assert [(market["name"], market["start_date"]) for market in found] == [
            ("Torvet", day(5).isoformat()),
            ("Loppemarked ved Torvet", day(2).isoformat()),
            ("Marked", day(1).isoformat()),
            ("Torvet", day(-9).isoformat()),
            ("Torvet", day(-400).isoformat()),
        ]
        assert await names(client, "search", query="torvet", limit=2, offset=2) == ["Marked", "Torvet"]

    @pytest.mark.parametrize(
        "params",
        [{}, {"query": ""}, {"query": "x" * 201}, {"query": " \t "}, {"query": "a\x00b"}, {"query": "a", "offset": -1}],
    )
    async def test_bounds(self, client: httpx.AsyncClient, params: dict[str, Any]) -> None:
        """1 to 200 characters, no NUL."""
        assert (await client.get("/markets/search", params=params)).status_code == 422


class TestForgiving:
    """Places and words as people say and mistype them."""

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("Copenhagen", ["Havnemarked", "Remisen"]),
            ("kbh", ["Havnemarked", "Remisen"]),
            ("Cph", ["Havnemarked", "Remisen"]),
            ("Københavns Kommune", ["Havnemarked", "Remisen"]),
            ("Københavns", ["Havnemarked", "Remisen"]),
            ("København", ["Havnemarked", "Remisen"]),
            ("1609", ["Havnemarked", "Remisen"]),
            ("Østerbro", ["Remisen"]),
            ("2100", ["Remisen", "Havnemarked"]),
            ("Funen", ["Fynboernes"]),
            ("Fyn", ["Fynboernes"]),
            ("Fyns", ["Fynboernes"]),
            ("Elsinore", ["Kronborg"]),
            ("8000", ["Ridehuset"]),
            ("Aarhus", ["Ridehuset"]),
            ("Nordjylland", ["Hirtshals", "Thy"]),
            ("Jylland", ["Hirtshals", "Ridehuset", "Thy"]),
            ("roskile", ["Domkirken"]),
            ("fynboerns", ["Fynboernes"]),
            ("domkirken roskile", ["Domkirken"]),
            ("xyzzyx", []),
        ],
    )
    async def test_places(self, client: httpx.AsyncClient, add: Add, query: str, found: list[str]) -> None:
        """Exonyms, abbreviations, genitives, districts, postal codes, regions, and one typing error."""
        now = {"start_date": day(0), "end_date": day(0)}
        for name, code, city, municipality in (
            ("Remisen", "2100", "København Ø", "København"),
            ("Havnemarked", None, "København", None),
            ("Fynboernes", "5000", "Odense C", "Odense"),
            ("Kronborg", "3000", "Helsingør", "Helsingør"),
            ("Ridehuset", "8000", "Aarhus C", "Aarhus"),
            ("Hirtshals", "9850", "Hirtshals", "Hjørring"),
            ("Thy", None, None, "Thisted"),
            ("Domkirken", "4000", "Roskilde", "Roskilde"),
        ):
            await add(name, postal_code=code, city=city, municipality=municipality, **now)
        answer = await client.get("/markets/search", params={"query": query})
        assert answer.status_code == 200
        names = [market["name"] for market in answer.json()]
        assert names == found if query == "2100" else sorted(names) == sorted(found)


class TestFilters:
    """Days, facilities and pages of nearby and search."""

    async def test_flags(self, client: httpx.AsyncClient, add: Add) -> None:
        """With it, without it, or whatever."""
        await add("With food", has_food=True, start_date=day(0), end_date=day(0))
        await add("Without food", has_food=False, start_date=day(0), end_date=day(0))
        for path, place in (
            ("/markets/nearby", {"latitude": 55.6761, "longitude": 12.5683}),
            ("/markets/search", {"query": "food"}),
        ):
            for flag, names in ((True, ["With food"]), (False, ["Without food"])):
                answer = await client.get(path, params={**place, "has_food": flag})
                assert [market["name"] for market in answer.json()] == names
            assert len((await client.get(path, params=place)).json()) == 2

    async def test_days(self, client: httpx.AsyncClient, add: Add) -> None:
        """Markets that run between two days; the wrong way round is refused."""
        for days in (0, 10, 20):
            await add(f"In {days} days", start_date=day(days), end_date=day(days))
        between = {"from_day": str(day(5)), "until_day": str(day(15))}
        found = await client.get("/markets/search", params={"query": "days", **between})
        assert [market["name"] for market in found.json()] == ["In 10 days"]
        here = {"latitude": 55.6761, "longitude": 12.5683}
        found = await client.get("/markets/nearby", params={**here, **between})
        assert [market["name"] for market in found.json()] == ["In 10 days"]
        wrong = {"from_day": "2026-06-02", "until_day": "2026-06-01"}
        assert (await client.get("/markets/search", params={"query": "days", **wrong})).status_code == 422
        for refused in ("9999-12-31", "yesterday"):
            answer = await client.get("/markets/nearby", params={**here, "from_day": refused})
            assert answer.status_code == 422

    async def test_offset(self, client: httpx.AsyncClient, add: Add) -> None:
        """The next page of the lists."""
        for number in range(3):
            await add(f"Market {number}", start_date=day(0), end_date=day(0))
        here = {"latitude": 55.6761, "longitude": 12.5683}
        for path, params in (
            ("/markets/today", {}),
            ("/markets/nearby", here),
            ("/markets/search", {"query": "market"}),
        ):
            whole = (await client.get(path, params=params)).json()
            rest = (await client.get(path, params={**params, "offset": 2})).json()
            assert rest == whole[2:]


class TestOne:
    async def test_any_state_and_merged_ids(self, client: httpx.AsyncClient, add: Add, session: AsyncSession) -> None:
        """What is over, cancelled or merged into another keeps resolving."""
        found = await add("Gone", state=MarketState.VANISHED, start_date=day(-30), end_date=day(-30))
        merged = uuid.uuid4()
        await session.execute(insert(MarketRedirect).values(id=merged, market_id=found))
        await session.commit()
        for identifier in (found, merged):
            assert (await client.get(f"/markets/{identifier}")).json()["id"] == str(found)

    @pytest.mark.parametrize(
        "identifier", ["5b0f4a3e-0000-4000-8000-000000000000", "1", "nonsense", "'%20OR%20''='", "%00", "..%2F..%2Fx"]
    )
    async def test_unknown_ids_are_404(self, client: httpx.AsyncClient, identifier: str) -> None:
        """Whatever is in the place of the id."""
        assert (await client.get(f"/markets/{identifier}")).status_code == 404


class TestCaching:
    async def test_an_unchanged_list_is_a_304(self, client: httpx.AsyncClient, add: Add) -> None:
        """Without a body; another list has another tag."""
        await add("One")
        first = await client.get("/markets/today")
        assert first.headers["cache-control"] == "public, max-age=60"
        tag = first.headers["etag"]
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = await client.get("/markets/today", headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        await add("Two")
        changed = await client.get("/markets/today", headers={"If-None-Match": tag})
        assert (changed.status_code, len(changed.json())) == (200, 2)
        assert changed.headers["etag"] != tag

    async def test_the_tag_does_not_depend_on_compression(self, client: httpx.AsyncClient, add: Add) -> None:
        """A cache may hold both forms."""
        for number in range(5):
            await add(f"Market {number}")
        packed = await client.get("/markets/today", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/markets/today", headers={"Accept-Encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["etag"] == plain.headers["etag"]
        assert packed.json() == plain.json()


class TestLostConnections:
    @pytest.mark.parametrize("path", ["/markets/today", "/markets/search?query=one"])
    async def test_a_restarted_server_costs_no_request(
        self, client: httpx.AsyncClient, add: Add, session: AsyncSession, path: str
    ) -> None:
        """Connections that the server closed while they lay idle are replaced, and the read is repeated."""
        await add("One")
        for _ in range(3):
            assert (await client.get(path)).status_code == 200
            await session.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"),
                {"name": "loppestars-api-markets"},
            )
            await session.commit()
            answers = await asyncio.gather(*(client.get(path) for _ in range(4)))
            assert [answer.status_code for answer in answers] == [200] * 4
