"""Rows of one source that it renamed or moved to other days: the same market, and not one that vanished and a new one.

Many sources make the id of a row of its name and days. Whether an old row is gone is known at the end of a whole
crawl only, so this is decided then.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.folding import fold
from loppestars_core.markets.assembly import CRAWLS_UNTIL_VANISHED, current_sightings, merge_markets, refresh_market
from loppestars_core.markets.decisions import follow_renumbering, key_of
from loppestars_core.markets.models import Market, MarketSighting
from loppestars_core.markets.sighting import SourceMarket
from loppestars_core.places.spelling import street_key

MAX_DAYS_MOVED: Final = 60
_Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a source, and the market that it is of."""

    sighting_id: int
    market_id: uuid.UUID
    said: SourceMarket

    @property
    def days(self) -> tuple[date, date]:
        """On which days it is."""
        return self.said.start_date, self.said.end_date

    @property
    def place(self) -> _Place | None:
        """Where it is, by street and postal code; None where the source does not say."""
        street = street_key(self.said.address or "")
        return (street, self.said.postal_code or fold(self.said.city or "")) if street else None

    @property
    def title(self) -> _Place:
        """What it is called, and in which town."""
        return fold(self.said.name), self.said.postal_code or fold(self.said.city or self.said.municipality or "")


async def follow_moves(session: AsyncSession, source: str, *, crawl_started: datetime, today: date) -> int:
    """After a successful, whole crawl of a source: let its renamed and moved rows be of the markets they were of.

    A market that another source lists too stays where that one has it. Returns how many were followed.
    """
    gone = await _rows(session, source, MarketSighting.last_seen_at < crawl_started, Market.start_date > today)
    if not gone:
        return 0
    earlier = aliased(MarketSighting)
    known = exists().where(
        earlier.source == source, earlier.external_id == MarketSighting.external_id, earlier.id < MarketSighting.id
    )
    days = tuple_(Market.start_date, Market.end_date).in_({row.days for row in gone})
    names = func.lower(MarketSighting.raw["market"]["name"].astext).in_({row.said.name.lower() for row in gone})
    listed = await _rows(session, source, MarketSighting.last_seen_at >= crawl_started, or_(days, names))
    fresh_ids = select(MarketSighting.id).where(
        MarketSighting.id.in_([row.sighting_id for row in listed]),
        MarketSighting.first_seen_at >= crawl_started,
        ~known,
    )
    fresh = set((await session.execute(fresh_ids)).scalars())
    followed = 0
    for before, now in pairs_of(gone, listed, fresh):
        followed += await _follow(session, before, now)
    return followed


def pairs_of(gone: Sequence[Row], listed: Sequence[Row], fresh: set[int]) -> list[tuple[Row, Row]]:
    """Return which rows that are gone are which of those that are `fresh` (ids) among the listed ones. Pure.

    Renamed: on the same days in the same house. Moved: of the same name in the same town, on other days, and the only
    one of that name there; of a weekly market nobody can say which Sunday became which. What fits two is neither.
    """
    new = [row for row in listed if row.sighting_id in fresh]
    renamed = _unique(
        (before, now)
        for before in gone
        for now in new
        if before.days == now.days and before.place is not None and before.place == now.place
    )
    taken = {row.sighting_id for pair in renamed for row in pair}
    named: dict[_Place, int] = defaultdict(int)
    for row in (*gone, *listed):
        named[row.title] += 1
    moved = _unique(
        (before, now)
        for before in gone
        for now in new
        if not {before.sighting_id, now.sighting_id} & taken
        and before.title == now.title
        and named[before.title] == 2  # noqa: PLR2004 - the one that is gone and the one that is new
        and before.days != now.days
        and abs((now.said.start_date - before.said.start_date).days) <= MAX_DAYS_MOVED
    )
    return [*renamed, *moved]


def _unique(pairs: Iterable[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    """Return the pairs both of whose rows are in no other pair."""
    found = list(pairs)
    count: dict[int, int] = defaultdict(int)
    for pair in found:
        for row in pair:
            count[row.sighting_id] += 1
    return [pair for pair in found if all(count[row.sighting_id] == 1 for row in pair)]


async def _rows(session: AsyncSession, source: str, *conditions: ColumnElement[bool]) -> list[Row]:
    statement = (
        select(MarketSighting.id, MarketSighting.market_id, MarketSighting.raw)
        .join(Market, Market.id == MarketSighting.market_id)
        .where(
            MarketSighting.source == source,
            MarketSighting.superseded_at.is_(None),
            MarketSighting.missed_crawls < CRAWLS_UNTIL_VANISHED,
            *conditions,
        )
    )
    found = await session.execute(statement)
    return [Row(row.id, row.market_id, SourceMarket.of_raw(row.raw)) for row in found]


async def _follow(session: AsyncSession, before: Row, now: Row) -> bool:
    """Let a new row be of the market of one that is gone; not when another source has that one on the old days."""
    if before.market_id == now.market_id or len(await current_sightings(session, before.market_id)) > 1:
        return False
    await session.execute(
        update(MarketSighting).where(MarketSighting.id == before.sighting_id).values(superseded_at=func.now())
    )
    await merge_markets(session, keep=before.market_id, drop=now.market_id)
    await follow_renumbering(session, key_of(before.said), key_of(now.said))
    await refresh_market(session, before.market_id)
    event = "market.renamed" if before.days == now.days else "market.moved"
    said = {"from": _shown(before), "to": _shown(now)}
    await record_event(session, "market", before.market_id, event, said)
    return True


def _shown(row: Row) -> dict[str, str]:
    return {"name": row.said.name, "start_date": str(row.said.start_date), "end_date": str(row.said.end_date)}
