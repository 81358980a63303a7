"""Sightings and markets in a real database: idempotent, merged, split, vanished, corrected."""

import uuid
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import DomainEvent
from loppestars_core.kit.folding import fold
from loppestars_core.markets.corrections import correct_market, withdraw_correction
from loppestars_core.markets.disappearance import mark_vanished
from loppestars_core.markets.ingest import Recorded, record_sighting, record_sightings
from loppestars_core.markets.known import is_known, known_sightings
from loppestars_core.markets.models import Market, MarketRedirect, MarketSighting
from loppestars_core.markets.sighting import SourceMarket, combine

TODAY = date(2026, 11, 21)
DAY = date(2026, 12, 5)
CALENDAR = SourceMarket(
    source="calendar",
    external_id="Remisen|1",
    name="Remisen Loppemarked",
    category="Loppemarked",
    start_date=DAY,
    end_date=DAY,
    postal_code="2100",
    city="København Ø",
    address="Blegdamsvej 132",
    latitude=55.7,
    longitude=12.57,
    position_approximate=True,
    has_food=True,
    entry_fee=Decimal("20.5"),
    document={"row": 1},
)
EVENTS = replace(
    CALENDAR,
    source="events",
    external_id="85354",
    name="Loppemarked i Remisen",
    address="Ny Blegdamsvej",
    rank=10,
    position_approximate=False,
    latitude=55.7019,
    has_food=None,
    has_parking=True,
    description="Fund",
    entry_fee=None,
    source_fields={"id": 85354},
)


# Notes each statement that updates a table, and in how many rows anything but the time of the sighting differs.
WATCH = (
    "CREATE TEMPORARY TABLE written (relation text, rows int, differing int)",
    """
    CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO written SELECT TG_TABLE_NAME, count(*), count(*) FILTER (
            WHERE to_jsonb(o) - 'last_seen_at' IS DISTINCT FROM to_jsonb(n) - 'last_seen_at'
        ) FROM old_rows o JOIN new_rows n USING (id);
        RETURN NULL;
    END $$
    """,
    *(
        f"CREATE TRIGGER note AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.note()"
        for table in ("markets", "market_sightings")
    ),
)


async def the_market(session: AsyncSession) -> Market:
    """The only market there is."""
    return (await session.execute(select(Market).execution_options(populate_existing=True))).scalar_one()


async def dump(session: AsyncSession) -> dict[str, list[str]]:
    """All rows of the tables that a crawl writes, without `last_seen_at`."""
    tables = ("markets", "market_sightings", "market_redirects", "market_overrides", "domain_events")
    rows = {}
    for table in tables:
        found = await session.execute(text(f"SELECT to_jsonb(t) - 'last_seen_at' FROM {table} t ORDER BY 1"))  # noqa: S608 - our own table names
        rows[table] = [str(row[0]) for row in found]
    return rows


async def start_of_crawl(session: AsyncSession) -> datetime:
    """The database's clock; a new transaction, since its `now()` stands still within one."""
    await session.commit()
    started: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    await session.commit()
    return started


async def at_once(session: AsyncSession) -> datetime:
    """After everything of this transaction: a crawl that begins within it."""
    found: datetime = (await session.execute(select(func.now() + text("interval '1 second'")))).scalar_one()
    return found


class TestMarketRecording:
    """Sightings and markets in a real database: idempotent, merged, split, vanished, corrected."""

    async def test_the_same_words_change_nothing(self, session: AsyncSession) -> None:
        """A second sighting with the same content moves `last_seen_at` and no other column of any table."""
        assert await record_sighting(session, CALENDAR) is Recorded.NEW
        await session.commit()
        before, seen = await dump(session), (await the_market(session)).last_seen_at
        await session.commit()
        assert await record_sighting(session, replace(CALENDAR, document={"row": 2})) is Recorded.UNCHANGED
        await session.commit()
        assert await dump(session) == before
        assert (await the_market(session)).last_seen_at > seen

    async def test_changed_words_supersede_and_are_kept(self, session: AsyncSession) -> None:
        """History is append-only: the old words stay, the market says the new ones and keeps its id."""
        await record_sighting(session, CALENDAR)
        market_id = (await the_market(session)).id
        assert await record_sighting(session, replace(CALENDAR, opening_hours="10-16")) is Recorded.CHANGED
        market = await the_market(session)
        assert (market.id, market.opening_hours) == (market_id, "10-16")
        sightings = (await session.execute(select(MarketSighting))).scalars().all()
        assert sorted(one.superseded_at is None for one in sightings) == [False, True]

    async def test_two_sources_make_one_market(self, session: AsyncSession) -> None:
        """One row, two sightings, the better words of each, in whichever order they come."""
        for first, second in ((CALENDAR, EVENTS), (EVENTS, CALENDAR)):
            await record_sighting(session, first)
            assert await record_sighting(session, second) is Recorded.CHANGED
            market = await the_market(session)
            assert (market.name, market.external_id) == ("Loppemarked i Remisen", "85354")
            assert (market.latitude, market.position_approximate) == (55.7019, False)
            assert (market.has_food, market.has_parking, market.entry_fee) == (True, True, Decimal("20.50"))
            assert market.source_fields == {"id": 85354}
            assert (await session.execute(select(func.count(MarketSighting.id)))).scalar_one() == 2
            await session.rollback()

    async def test_markets_that_become_the_same_are_merged_and_both_ids_resolve(self, session: AsyncSession) -> None:
        """The younger id redirects to the older market."""
        await record_sighting(session, CALENDAR)
        kept = (await the_market(session)).id
        elsewhere = replace(EVENTS, postal_code="4900", city="Nakskov")
        await record_sighting(session, elsewhere)
        merged = (await session.execute(select(Market.id).where(Market.id != kept))).scalar_one()
        assert await record_sighting(session, EVENTS) is Recorded.CHANGED
        assert (await the_market(session)).id == kept
        redirect = (await session.execute(select(MarketRedirect))).scalar_one()
        assert (redirect.id, redirect.market_id) == (merged, kept)

    async def test_a_source_that_moves_its_market_leaves_the_other_alone(self, session: AsyncSession) -> None:
        """New dates in one source split what was one market."""
        await record_sighting(session, CALENDAR)
        await record_sighting(session, EVENTS)
        moved = date(2026, 12, 6)
        assert await record_sighting(session, replace(EVENTS, start_date=moved, end_date=moved)) is Recorded.CHANGED
        rows = (await session.execute(select(Market.start_date, Market.external_id).order_by(Market.start_date))).all()
        assert [tuple(row) for row in rows] == [(DAY, "Remisen|1"), (moved, "85354")]

    async def test_a_reading_that_says_less_keeps_what_is_known(self, session: AsyncSession) -> None:
        """A page that could not be fetched this time does not take the address away."""
        await record_sighting(session, CALENDAR)
        poorer = replace(CALENDAR, address=None, city=None, postal_code=None)
        assert await record_sighting(session, poorer) is Recorded.UNCHANGED
        assert (await the_market(session)).postal_code == "2100"

    async def test_a_market_vanishes_after_two_crawls_and_may_come_back(self, session: AsyncSession) -> None:
        """One miss is no proof; two are; a new sighting brings it back under its id."""
        await record_sighting(session, CALENDAR)
        for vanished, state in ((0, "scheduled"), (1, "vanished"), (0, "vanished")):
            started = await start_of_crawl(session)
            assert await mark_vanished(session, "calendar", crawl_started=started, today=TODAY) == vanished
            assert (await the_market(session)).state == state
        await session.commit()
        assert await record_sighting(session, CALENDAR) is Recorded.CHANGED
        assert (await the_market(session)).state == "scheduled"
        events = (await session.execute(select(DomainEvent.event).order_by(DomainEvent.id))).scalars().all()
        assert events == ["market.created", "market.vanished", "market.scheduled"]

    async def test_a_market_that_one_of_two_sources_lists_stays(self, session: AsyncSession) -> None:
        """The words of the source that no longer lists it go, the market stays."""
        await record_sighting(session, CALENDAR)
        await record_sighting(session, EVENTS)
        for _ in range(2):
            started = await start_of_crawl(session)
            assert await mark_vanished(session, "events", crawl_started=started, today=TODAY) == 0
        market = await the_market(session)
        assert (market.state, market.name) == ("scheduled", "Remisen Loppemarked")

    async def test_what_has_begun_does_not_vanish(self, session: AsyncSession) -> None:
        """Sites stop listing what is running or over."""
        await record_sighting(session, CALENDAR)
        for _ in range(3):
            started = await start_of_crawl(session)
            assert await mark_vanished(session, "calendar", crawl_started=started, today=date(2026, 12, 6)) == 0
        assert (await the_market(session)).state == "scheduled"

    async def test_what_begins_today_does_not_vanish(self, session: AsyncSession) -> None:
        """It may have begun: two crawls on the morning of the day must not take it out of today's list."""
        await record_sighting(session, CALENDAR)
        for _ in range(3):
            started = await start_of_crawl(session)
            assert await mark_vanished(session, "calendar", crawl_started=started, today=DAY) == 0
        assert (await the_market(session)).state == "scheduled"

    async def test_a_source_that_lists_a_market_again_is_heard_again(self, session: AsyncSession) -> None:
        """Its words went when it did not list the market; they come back with it, also when they are the same."""
        await record_sighting(session, CALENDAR)
        await record_sighting(session, EVENTS)
        for _ in range(2):
            await mark_vanished(session, "events", crawl_started=await start_of_crawl(session), today=TODAY)
        assert (await the_market(session)).description is None
        await session.commit()
        assert await record_sighting(session, EVENTS) is Recorded.CHANGED
        market = await the_market(session)
        assert (market.name, market.description) == ("Loppemarked i Remisen", "Fund")

    async def test_what_is_listed_in_words_that_cannot_be_stored_does_not_vanish(self, session: AsyncSession) -> None:
        """The source still lists it; what it said before stays. An unknown one is nothing to keep."""
        await record_sighting(session, CALENDAR)
        for _ in range(3):
            started = await start_of_crawl(session)
            batch = [replace(CALENDAR, name="\x00"), replace(CALENDAR, external_id="unknown", name="\x00")]
            outcomes = await record_sightings(session, batch, await known_sightings(session, batch))
            assert all(isinstance(outcome, Exception) for outcome in outcomes.values())
            assert await is_known(session, "calendar", ["Remisen|1", "unknown"]) == {"Remisen|1"}
            await session.commit()
            assert await mark_vanished(session, "calendar", crawl_started=started, today=TODAY) == 0
        assert (await the_market(session)).state == "scheduled"

    async def test_a_corrected_state_outlives_that_nobody_lists_the_market(self, session: AsyncSession) -> None:
        """An admin knows that it takes place, or that it does not: no crawl says otherwise."""
        for state in ("scheduled", "cancelled"):
            await record_sighting(session, CALENDAR)
            await correct_market(session, (await the_market(session)).id, {"state": state}, admin_id=None)
            for _ in range(2):
                assert await mark_vanished(session, "calendar", crawl_started=await at_once(session), today=TODAY) == 0
            assert (await the_market(session)).state == state
            await session.rollback()

    async def test_correcting_a_vanished_market_does_not_bring_it_back(self, session: AsyncSession) -> None:
        """Another telephone number is no sign that it takes place; when the correction goes it is still gone."""
        await record_sighting(session, CALENDAR)
        for _ in range(2):
            await mark_vanished(session, "calendar", crawl_started=await start_of_crawl(session), today=TODAY)
        market_id = (await the_market(session)).id
        await correct_market(session, market_id, {"organizer_phone": "12 34 56 78"}, admin_id=None)
        assert (await the_market(session)).state == "vanished"
        await withdraw_correction(session, market_id, "organizer_phone", admin_id=None)
        assert (await the_market(session)).state == "vanished"
        await correct_market(session, market_id, {"state": "scheduled"}, admin_id=None)
        assert (await the_market(session)).state == "scheduled"

    async def test_a_market_that_one_source_calls_off_is_not_listed_by_the_other(self, session: AsyncSession) -> None:
        """In whichever order they are crawled: one market, cancelled."""
        called_off = replace(EVENTS, cancelled=True)
        for first, second in ((CALENDAR, called_off), (called_off, CALENDAR)):
            await record_sighting(session, first)
            await record_sighting(session, second)
            assert (await the_market(session)).state == "cancelled"
            await session.rollback()

    async def test_a_correction_outlives_crawls(self, session: AsyncSession) -> None:
        """What an admin corrected stays, until it is withdrawn."""
        await record_sighting(session, CALENDAR)
        market_id = (await the_market(session)).id
        corrections: dict[str, Any] = {"name": "Remisens Loppemarked", "start_date": "2026-12-04", "entry_fee": 25.5}
        await correct_market(session, market_id, corrections, admin_id=None)
        await record_sighting(session, replace(CALENDAR, opening_hours="9-15"))
        market = await the_market(session)
        assert (market.name, market.start_date, market.entry_fee) == (
            "Remisens Loppemarked",
            date(2026, 12, 4),
            Decimal("25.50"),
        )
        assert market.search_name == fold("Remisens Loppemarked")
        await withdraw_correction(session, market_id, "name", admin_id=None)
        assert (await the_market(session)).name == "Remisen Loppemarked"
        with pytest.raises(ValueError, match="correctable are"):
            await correct_market(session, market_id, {"id": str(uuid.uuid4())}, admin_id=None)

    def test_words_survive_their_storage(self) -> None:
        """What is read back from a sighting is what was stored."""
        assert SourceMarket.of_raw(CALENDAR.raw()) == CALENDAR

    def test_a_market_that_one_source_calls_off_is_cancelled(self) -> None:
        """Better a market missing than a visitor before closed doors."""
        assert combine([CALENDAR, replace(EVENTS, cancelled=True)])["state"] == "cancelled"


class TestBatches:
    """Many listings at once."""

    async def test_two_listings_and_one_market(self, session: AsyncSession) -> None:
        """Only the first of two that mean the market of another source joins it; the other stays by itself."""
        await record_sighting(session, CALENDAR)
        batch = [EVENTS, replace(EVENTS, external_id="85355")]
        outcomes = await record_sightings(session, batch, {})
        assert list(outcomes.values()) == [Recorded.CHANGED, Recorded.NEW]
        sightings = await session.execute(select(MarketSighting.market_id, func.count()).group_by("market_id"))
        assert sorted(count for _, count in sightings) == [1, 2]

    async def test_one_that_cannot_be_stored(self, session: AsyncSession) -> None:
        """It costs itself only, also among new ones that are stored together."""
        batch = [replace(CALENDAR, external_id=str(number), name=f"Marked {number}") for number in range(5)]
        batch[2] = replace(batch[2], name="\x00")
        outcomes = await record_sightings(session, batch, {})
        assert [isinstance(outcome, Exception) for outcome in outcomes.values()].count(True) == 1
        assert (await session.execute(select(func.count(Market.id)))).scalar_one() == 4

    async def test_what_an_older_release_stored_is_found(self, session: AsyncSession) -> None:
        """It has no blocks, and is found by its day."""
        await record_sighting(session, CALENDAR)
        await session.execute(text("UPDATE market_sightings SET blocks = NULL"))
        assert await record_sighting(session, EVENTS) is Recorded.CHANGED

    async def test_seen_again_is_one_statement(self, session: AsyncSession) -> None:
        """500 unchanged listings are one write per table, and nothing differs but `last_seen_at`."""
        batch = [replace(CALENDAR, external_id=str(number), name=f"Marked {number}") for number in range(500)]
        await record_sightings(session, batch, {})
        for statement in WATCH:
            await session.execute(text(statement))
        outcomes = await record_sightings(session, batch, await known_sightings(session, batch))
        assert set(outcomes.values()) == {Recorded.UNCHANGED}
        written = (await session.execute(text("SELECT relation, rows, differing FROM written ORDER BY 1"))).all()
        assert [tuple(row) for row in written] == [("market_sightings", 500, 0), ("markets", 500, 0)]
