"""Exports over HTTP, read back by libraries that did not write them."""

import csv
import io
import tracemalloc
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import feedparser
import httpx
import icalendar
import pytest
import recurring_ical_events
from geojson_pydantic import FeatureCollection
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_api.app import create_app
from loppestars_api.markets.exports.calendar import write_calendar
from loppestars_api.markets.schemas import KEYS, MarketResponse
from loppestars_api.settings import ApiSettings
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.exports import Order
from loppestars_core.markets.models import Market, MarketState
from loppestars_core.markets.query import MarketQuery
from tests.factories.many_markets import add_many_markets
from tests.factories.markets import add_market

FORMATS = ("json", "geojson", "csv", "ics", "atom")
TODAY = today_in_denmark()
Add = Callable[..., Awaitable[uuid.UUID]]


def day(offset: int) -> date:
    return TODAY + timedelta(days=offset)


@pytest.fixture
def add(session: AsyncSession) -> Add:
    """Add a market that runs today; each column may be given."""

    async def add_one(name: str, **columns: Any) -> uuid.UUID:
        first = columns.pop("start_date", TODAY)
        made = await add_market(session, **{"name": name, "start_date": first, "end_date": first, **columns})
        await session.commit()
        return made

    return add_one


async def read(client: httpx.AsyncClient, form: str, **params: Any) -> httpx.Response:
    answer = await client.get(f"/markets.{form}", params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def names(client: httpx.AsyncClient, **params: Any) -> list[str]:
    return [market["name"] for market in (await read(client, "json", **params)).json()]


def calendar_of(answer: httpx.Response) -> icalendar.Calendar:
    return icalendar.Calendar.from_ical(answer.content)


class TestFilters:
    async def test_those_of_nearby_and_search(self, client: httpx.AsyncClient, add: Add) -> None:
        """A place, words also with a typing error, days and facilities; past and called-off markets only if asked."""
        await add("Torvet", has_food=True)
        await add("Aarhus marked", latitude=56.1572, longitude=10.2107, city="Aarhus", municipality="Aarhus")
        await add("Roskilde hallen", start_date=day(40), city="Roskilde", municipality="Roskilde")
        await add("over", start_date=day(-3))
        await add("cancelled", state=MarketState.CANCELLED)
        assert await names(client) == ["Aarhus marked", "Torvet", "Roskilde hallen"]
        assert await names(client, days_ahead=30) == ["Aarhus marked", "Torvet"]
        assert await names(client, latitude=56.1, longitude=10.2) == ["Aarhus marked"]
        assert await names(client, query="roskile") == ["Roskilde hallen"]
        assert await names(client, has_food=True) == ["Torvet"]
        assert await names(client, from_day=day(-5), until_day=day(-1)) == ["over"]
        assert await names(client, limit=1) == ["Aarhus marked"]

    @pytest.mark.parametrize("form", FORMATS)
    async def test_wrong_filters_are_refused(self, client: httpx.AsyncClient, form: str) -> None:
        """Half a position, days the wrong way round, more rows than there are markets."""
        for params in ({"latitude": 55}, {"from_day": day(2), "until_day": day(1)}, {"limit": 0}):
            assert (await client.get(f"/markets.{form}", params=params)).status_code == 422

    @pytest.mark.parametrize("form", FORMATS)
    async def test_a_radius_holds_in_every_format(self, client: httpx.AsyncClient, add: Add, form: str) -> None:
        """A circle of one kilometre around another town has nothing in it."""
        await add("Torvet")
        far = await read(client, form, latitude=57, longitude=10, radius_km=1)
        near = await read(client, form, latitude=55.68, longitude=12.57, radius_km=1)
        assert ("Torvet" in near.text, "Torvet" in far.text) == (True, False)


class TestValidators:
    @pytest.mark.parametrize("form", FORMATS)
    async def test_unchanged_is_304_and_a_change_is_not(
        self, client: httpx.AsyncClient, add: Add, session: AsyncSession, form: str
    ) -> None:
        """Equal bytes while nothing changes; one market replaced by another of the same moment is noticed."""
        made = await add("first")
        before = await read(client, form)
        assert (await read(client, form)).content == before.content
        known = {"If-None-Match": before.headers["ETag"]}
        assert (await client.get(f"/markets.{form}", headers=known)).status_code == 304
        await session.execute(update(Market).where(Market.id == made).values(state=MarketState.VANISHED))
        await add("second")
        again = await client.get(f"/markets.{form}", headers=known)
        assert again.status_code == 200
        assert "second" in again.text

    @pytest.mark.parametrize("form", FORMATS)
    async def test_head_has_the_tag_and_no_body(self, client: httpx.AsyncClient, add: Add, form: str) -> None:
        """The same headers; connections come back, however often it is asked."""
        await add("one")
        tag = (await read(client, form)).headers["ETag"]
        for _ in range(6):
            answer = await client.head(f"/markets.{form}")
            assert (answer.status_code, answer.headers["ETag"], answer.content) == (200, tag, b"")


class TestDocuments:
    async def test_json_is_an_array_of_market_responses(self, client: httpx.AsyncClient, add: Add) -> None:
        """The contract's keys in their order; an empty list is an empty array."""
        assert (await read(client, "json")).json() == []
        await add("Whole", source_fields={"gratis": True}, entry_fee=20)
        [market] = (await read(client, "json")).json()
        assert list(market) == list(KEYS)
        assert MarketResponse.model_validate(market).loppemarkeder_nu == {"gratis": True}

    async def test_geojson_is_read_by_another_library(self, client: httpx.AsyncClient, add: Add) -> None:
        """Longitude first, identifiers, and a market that is nowhere without geometry; an empty collection too."""
        assert FeatureCollection.model_validate((await read(client, "geojson")).json()).features == []
        here = await add("Blå Æble")
        await add("Zulu", latitude=None, longitude=None)
        answer = await read(client, "geojson")
        assert answer.headers["content-type"] == "application/geo+json"
        found = FeatureCollection.model_validate_json(answer.content)
        assert found.features[0].id == str(here)
        assert found.features[0].geometry.coordinates == (12.5683, 55.6761)
        assert found.features[0].properties["name"] == "Blå Æble"
        assert found.features[1].geometry is None

    async def test_csv_is_a_table_that_computes_nothing(self, client: httpx.AsyncClient, add: Add) -> None:
        """Formulas begin with an apostrophe, quotes and line breaks stay, numbers are numbers, the mark is optional."""
        await add('=HYPERLINK("http://x";1)', description='to "linjer"\nher; og, der', organizer_phone="+45 12345678")
        answer = await read(client, "csv")
        assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
        [market] = csv.DictReader(io.StringIO(answer.text, newline=""))
        assert tuple(market) == KEYS
        assert market["name"] == '\'=HYPERLINK("http://x";1)'
        assert market["organizer_phone"] == "'+45 12345678"
        assert market["description"] == 'to "linjer"\nher; og, der'
        assert (float(market["latitude"]), market["has_food"], market["entry_fee"]) == (55.6761, "false", "")
        marked = await read(client, "csv", bom="true")
        assert marked.content == b"\xef\xbb\xbf" + answer.content

    async def test_atom_is_read_by_another_library(self, client: httpx.AsyncClient, add: Add) -> None:
        """The latest change first, cancelled ones say so, odd characters do no harm; an empty feed is one."""
        assert not feedparser.parse((await read(client, "atom")).content).bozo
        old = datetime(2026, 6, 1, tzinfo=UTC)
        made = await add("<b>Æble & \x0bpære</b>", scraped_at=old, source_url='https://x.dk/?a=1&b="2"')
        await add("Remisen", scraped_at=old + timedelta(hours=1), state=MarketState.CANCELLED)
        answer = await read(client, "atom")
        feed = feedparser.parse(answer.content)
        assert not feed.bozo, feed.bozo_exception
        assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
        assert [entry.title for entry in feed.entries] == ["Aflyst: Remisen", "<b>Æble & pære</b>"]
        assert feed.entries[1].id == f"urn:uuid:{made}"
        assert feed.entries[1].links[0].href.endswith(f"/markets/{made}")
        assert feed.entries[1].links[1].href == 'https://x.dk/?a=1&b="2"'
        assert feed.feed.updated == "2026-06-01T01:00:00Z"


class TestCalendar:
    async def test_a_series_is_one_recurring_event(self, client: httpx.AsyncClient, add: Add) -> None:
        """Weekly with a week left out: one event with a rule; it recurs on its days, at its hours in Denmark."""
        series = uuid.uuid4()
        days = [day(offset) for offset in (7, 14, 28, 35, 42)]
        for when in days:
            url = f"https://x.dk/{when}"
            await add("Remisen", series_id=series, start_date=when, opening_hours="10:00-16:00", source_url=url)
        calendar = calendar_of(await read(client, "ics"))
        [event] = calendar.walk("VEVENT")
        assert event["RRULE"]["FREQ"] == ["WEEKLY"]
        found = recurring_ical_events.of(calendar).between(days[0], days[-1] + timedelta(days=1))
        starts = sorted(occurrence.start for occurrence in found)
        assert [start.date() for start in starts] == days
        assert {(start.hour, str(start.tzinfo)) for start in starts} == {(10, "Europe/Copenhagen")}
        assert {(occurrence.end - occurrence.start) for occurrence in found} == {timedelta(hours=6)}

    async def test_days_without_a_rule_are_listed(self, client: httpx.AsyncClient, add: Add) -> None:
        """Two days and whole days: dates."""
        series = uuid.uuid4()
        for offset in (3, 10):
            await add("Loft", series_id=series, start_date=day(offset), end_date=day(offset + 1))
        calendar = calendar_of(await read(client, "ics"))
        [event] = calendar.walk("VEVENT")
        assert "RRULE" not in event
        found = recurring_ical_events.of(calendar).between(day(0), day(20))
        assert sorted((item.start, item.end) for item in found) == [(day(3), day(5)), (day(10), day(12))]

    async def test_what_is_called_off_stays_as_cancelled(self, client: httpx.AsyncClient, add: Add) -> None:
        """One day of a series is cancelled and says so, the others are confirmed; a vanished one is gone."""
        series = uuid.uuid4()
        for offset, state in ((7, "scheduled"), (14, "cancelled"), (21, "scheduled"), (28, "vanished")):
            await add("Remisen", series_id=series, start_date=day(offset), state=state)
        calendar = calendar_of(await read(client, "ics"))
        master, exception = calendar.walk("VEVENT")
        assert (master["STATUS"], exception["STATUS"]) == ("CONFIRMED", "CANCELLED")
        assert exception["UID"] == master["UID"]
        assert exception["RECURRENCE-ID"].dt == day(14)
        assert exception["SUMMARY"] == "Aflyst: Remisen"

    async def test_stamps_are_those_of_the_last_change(self, client: httpx.AsyncClient, add: Add) -> None:
        """Not of the request: a phone sees a change only where there is one."""
        await add("Remisen", scraped_at=datetime(2026, 6, 1, 12, tzinfo=UTC))
        [event] = calendar_of(await read(client, "ics")).walk("VEVENT")
        assert event["DTSTAMP"].dt == datetime(2026, 6, 1, 12, tzinfo=UTC)

    async def test_text_is_escaped_and_folded(self, client: httpx.AsyncClient, add: Add) -> None:
        """No line is longer than 75 octets, none is cut within a character, and nobody can add an event."""
        name = "Æøå; komma, \\ 蚤市場 " * 12
        injected = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:falsk\x07\u2028"
        await add(name, description=injected, address="Torvet 1", postal_code="2100", source_url="https://x.dk/\r\nA:b")
        answer = await read(client, "ics")
        assert max(len(line) for line in answer.content.split(b"\r\n")) <= 75
        [event] = calendar_of(answer).walk("VEVENT")
        assert event["SUMMARY"] == name
        assert event["LOCATION"] == "Torvet 1, 2100 København"
        assert event["DESCRIPTION"] == "x\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:falsk"

    async def test_an_empty_calendar_is_one(self, client: httpx.AsyncClient) -> None:
        """A subscription to a place without markets does not fail."""
        assert calendar_of(await read(client, "ics")).walk("VEVENT") == []

    async def test_one_market_to_add_to_ones_own(self, client: httpx.AsyncClient, add: Add) -> None:
        """By its id, also when it is over; no such market is 404."""
        made = await add("Natmarked", start_date=day(-3), opening_hours="kl. 20.00 - 02.00")
        answer = await client.get(f"/markets/{made}.ics")
        [event] = calendar_of(answer).walk("VEVENT")
        assert event.end.date() == day(-2)
        assert (event.start.hour, event.end.hour) == (20, 2)
        assert (await client.get(f"/markets/{uuid.uuid4()}.ics")).status_code == 404


class TestMemory:
    async def test_it_does_not_grow_with_the_number_of_markets(
        self, engine: AsyncEngine, api_settings: ApiSettings
    ) -> None:
        """Four thousand markets of one series order, some megabytes at most."""
        async with engine.connect() as connection:
            await add_many_markets(connection, 4_000)
        app = create_app(api_settings)
        async with app.router.lifespan_context(app), AsyncExitStack() as stack:
            query = MarketQuery(limit=None)
            export = await app.state.exports.open(query, Order.SERIES, called_off=True, stack=stack)
            tracemalloc.start()
            written = 0
            async for part in write_calendar(export.batches()):
                written += len(part)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert written > 1_000_000
        assert peak < 3_000_000
