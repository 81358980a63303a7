"""Decisions about which markets are one, each followed by crawls that would say otherwise."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import AuditEntry
from loppestars_core.markets import decisions
from loppestars_core.markets.decisions import Admin, DecisionNotFound, DecisionRefused, MarketNotFound
from loppestars_core.markets.disappearance import mark_vanished
from loppestars_core.markets.ingest import record_sightings
from loppestars_core.markets.known import known_sightings
from loppestars_core.markets.models import Market, MarketDecision
from loppestars_core.markets.pairs import pairs_to_decide
from loppestars_core.markets.provenance import history_of, sources_of
from loppestars_core.markets.sighting import SourceMarket

TODAY = date(2026, 11, 21)
DAY = date(2026, 12, 5)
CLI = Admin(None, "cli")
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
)
EVENTS = replace(CALENDAR, source="events", external_id="85354", name="Loppemarked i Remisen", rank=10)
ELSEWHERE = replace(EVENTS, external_id="9", name="Spejdernes julemesse", address="Ryparken 1")
Crawl = Callable[..., Awaitable[None]]


@pytest.fixture
def crawl(session: AsyncSession) -> Crawl:
    """A whole crawl of the source of some listings, as the crawler does it; of `source` where it lists nothing."""

    async def run(*listed: SourceMarket, source: str = "") -> None:
        await session.commit()
        started: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        await session.commit()
        known = await known_sightings(session, listed, crawl_started=started)
        outcomes = await record_sightings(session, listed, known)
        assert not [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
        await mark_vanished(session, source or listed[0].source, crawl_started=started, today=TODAY)
        await session.commit()

    return run


async def markets(session: AsyncSession) -> dict[str, uuid.UUID]:
    rows = await session.execute(select(Market.name, Market.id).where(Market.state == "scheduled"))
    return {row.name: row.id for row in rows}


class TestSplit:
    async def test_it_sticks_through_later_crawls(self, session: AsyncSession, crawl: Crawl) -> None:
        """What was joined by itself, with its reasons, stays apart, also when its source says something new."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        [joined] = (await session.execute(select(MarketDecision))).scalars()
        assert (joined.automatic, joined.score) == (True, 1.0)
        assert "the same house" in joined.reasons
        [market] = (await markets(session)).values()
        _, taken = await decisions.split(session, market, ["events"], admin=CLI, reason="two halls")
        for opening_hours in ("10-16", "11-15"):
            await crawl(replace(CALENDAR, opening_hours=opening_hours))
            await crawl(replace(EVENTS, opening_hours=opening_hours))
            await crawl(replace(EVENTS, external_id=opening_hours, opening_hours=opening_hours))
        assert await markets(session) == {"Remisen Loppemarked": market, "Loppemarked i Remisen": taken}

    async def test_undone_it_is_one_market_again(self, session: AsyncSession, crawl: Crawl) -> None:
        """With both sources and its first id; the id that it had meanwhile leads to it."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        [market] = (await markets(session)).values()
        number, taken = await decisions.split(session, market, ["events"], admin=CLI)
        await decisions.undo(session, number, admin=CLI)
        assert await decisions.resolve(session, taken) == market
        assert len(await sources_of(session, market)) == 2
        with pytest.raises(DecisionNotFound):
            await decisions.undo(session, number, admin=CLI)

    async def test_it_needs_sources_that_leave_something(self, session: AsyncSession, crawl: Crawl) -> None:
        """All of them, none of them, or another one: refused with the names of those that there are."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        [market] = (await markets(session)).values()
        for named in (["calendar", "events"], ["other"], []):
            with pytest.raises(DecisionRefused, match="calendar, events"):
                await decisions.split(session, market, named, admin=CLI)
        with pytest.raises(MarketNotFound):
            await decisions.split(session, uuid.uuid4(), ["events"], admin=CLI)


class TestJoin:
    async def test_it_sticks_when_a_source_says_other_days(self, session: AsyncSession, crawl: Crawl) -> None:
        """Two that nothing would join are one, whatever one of them says later; both ids lead to it."""
        await crawl(CALENDAR)
        await crawl(ELSEWHERE)
        both = await markets(session)
        await decisions.join(session, both["Remisen Loppemarked"], both["Spejdernes julemesse"], admin=CLI)
        moved = date(2026, 12, 12)
        await crawl(replace(ELSEWHERE, start_date=moved, end_date=moved))
        await crawl(replace(CALENDAR, opening_hours="10-16"))
        assert list((await markets(session)).values()) == [both["Remisen Loppemarked"]]
        assert await decisions.resolve(session, both["Spejdernes julemesse"]) == both["Remisen Loppemarked"]

    async def test_undone_both_have_their_ids_again(self, session: AsyncSession, crawl: Crawl) -> None:
        """As if it had never been; every step is in the audit log with who made it."""
        await crawl(CALENDAR)
        await crawl(ELSEWHERE)
        both = await markets(session)
        number = await decisions.join(session, *both.values(), admin=CLI)
        await decisions.undo(session, number, admin=CLI)
        assert await markets(session) == both
        audit = (await session.execute(select(AuditEntry.action, AuditEntry.actor_kind))).all()
        assert [tuple(entry) for entry in audit] == [("market.decided_same", "cli"), ("market.decision_undone", "cli")]

    async def test_what_was_joined_by_itself_can_be_undone(self, session: AsyncSession, crawl: Crawl) -> None:
        """And it is not joined again by the next crawl."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        [number] = (await session.execute(select(MarketDecision.id))).scalars()
        await decisions.undo(session, number, admin=CLI)
        await crawl(replace(EVENTS, opening_hours="10-16"))
        assert len(await markets(session)) == 2


class TestPairs:
    async def test_doubtful_ones_are_listed_until_decided(self, session: AsyncSession, crawl: Crawl) -> None:
        """With score and reasons; different ones are never joined, and listed again once that is undone."""
        await crawl(replace(CALENDAR, address=None, name="Vestre Skole"))
        await crawl(replace(EVENTS, address=None, name="Loppemarked"))
        [pair] = await pairs_to_decide(session, TODAY, DAY)
        assert pair.match.doubtful
        assert pair.match.reasons[-1].startswith("one name only says that there is a market")
        number = await decisions.keep_apart(session, pair.market_id, pair.other_id, admin=CLI)
        assert await pairs_to_decide(session, TODAY, DAY) == []
        await crawl(replace(EVENTS, address=None, name="Vestre Skole"))
        assert len((await session.execute(select(Market.id))).all()) == 2
        await decisions.undo(session, number, admin=CLI)
        [pair] = await pairs_to_decide(session, TODAY, DAY)
        assert pair.match.same

    async def test_the_newer_decision_counts(self, session: AsyncSession, crawl: Crawl) -> None:
        """Different, then the same after all."""
        await crawl(CALENDAR)
        await crawl(ELSEWHERE)
        both = await markets(session)
        await decisions.keep_apart(session, *both.values(), admin=CLI)
        await decisions.join(session, *both.values(), admin=CLI)
        assert len(await markets(session)) == 1
        with pytest.raises(DecisionRefused):
            await decisions.join(session, *both.values(), admin=CLI)


class TestMoves:
    async def test_a_renamed_row_is_its_market(self, session: AsyncSession, crawl: Crawl) -> None:
        """The id of a row is made of its name; in the same house on the same day it is the same market."""
        await crawl(CALENDAR)
        before = await markets(session)
        await crawl(replace(CALENDAR, external_id="Store Remisen|1", name="Store Remisen"))
        assert await markets(session) == {"Store Remisen": before["Remisen Loppemarked"]}
        [change] = [
            change
            for change in await history_of(session, before["Remisen Loppemarked"])
            if change.by == "loppestars" and change.after == "renamed"
        ]
        assert change.field == "state"

    async def test_a_moved_row_is_its_market(self, session: AsyncSession, crawl: Crawl) -> None:
        """Another day of the only market of that name, also when a decision was made about it before."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        [market] = (await markets(session)).values()
        _, taken = await decisions.split(session, market, ["events"], admin=CLI)
        moved = date(2026, 12, 12)
        await crawl(replace(CALENDAR, external_id="Remisen|2", start_date=moved, end_date=moved))
        await crawl(replace(EVENTS, start_date=moved, end_date=moved))
        days = {row.id: row.start_date for row in await session.execute(select(Market.id, Market.start_date))}
        assert days == {market: moved, taken: moved}

    async def test_a_day_of_a_series_is_not_taken_for_another(self, session: AsyncSession, crawl: Crawl) -> None:
        """One Sunday is gone and one is new: the new one is a market of its own."""
        days = [
            replace(CALENDAR, external_id=str(day), start_date=day, end_date=day)
            for day in (DAY, date(2026, 12, 12), date(2026, 12, 19))
        ]
        await crawl(*days[:2])
        await crawl(*days[1:])
        assert len((await session.execute(select(Market.id))).all()) == 3

    async def test_what_another_source_lists_stays(self, session: AsyncSession, crawl: Crawl) -> None:
        """The other one may be right: the market stays on its day, the moved row is another."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        moved = date(2026, 12, 12)
        await crawl(replace(CALENDAR, external_id="Remisen|2", start_date=moved, end_date=moved))
        found = (await session.execute(select(Market.start_date).order_by(Market.start_date))).scalars().all()
        assert found == [DAY, moved]


class TestSeries:
    async def test_a_code_that_appears_later_keeps_the_series(self, session: AsyncSession, crawl: Crawl) -> None:
        """Some days with a town, some with a municipality, later with a code: one series."""
        town = replace(CALENDAR, name="Nakskov Loppemarked", address=None, postal_code=None, city="Nakskov")
        wide = replace(town, external_id="b", city=None, municipality="Lolland", start_date=TODAY, end_date=TODAY)
        await crawl(town, wide)
        await crawl(replace(town, postal_code="4900"), wide)
        assert len(set((await session.execute(select(Market.series_id))).scalars())) == 1

    async def test_markets_that_are_only_called_so_are_apart(self, session: AsyncSession, crawl: Crawl) -> None:
        """Two flea markets in two postal codes are no series; when the code is known later, the series follows."""
        plain = replace(CALENDAR, name="Loppemarked", address=None)
        other = replace(plain, external_id="b", postal_code="2300", city="København S")
        unknown = replace(plain, external_id="c", postal_code=None, start_date=TODAY, end_date=TODAY)
        await crawl(plain, other, unknown)
        await crawl(plain, other, replace(unknown, postal_code="2100"))
        rows = (await session.execute(select(Market.external_id, Market.series_id))).all()
        series = {row.external_id: row.series_id for row in rows}
        assert series["Remisen|1"] == series["c"] != series["b"]


class TestSources:
    async def test_what_each_source_says_now(self, session: AsyncSession, crawl: Crawl) -> None:
        """Listed, missed once, vanished, called off; what changed when and by whom."""
        await crawl(CALENDAR)
        await crawl(EVENTS)
        [market] = (await markets(session)).values()
        await crawl(replace(EVENTS, cancelled=True, opening_hours="10-16"))
        states = []
        for _ in range(2):
            await crawl(source="calendar")
            states.append({found.source: found.state for found in await sources_of(session, market)})
        assert states == [
            {"events": "cancelled", "calendar": "missed"},
            {"events": "cancelled", "calendar": "vanished"},
        ]
        changes = {(change.by, change.field, change.after) for change in await history_of(session, market)}
        assert {("events", "opening_hours", "10-16"), ("events", "cancelled", True)} <= changes
