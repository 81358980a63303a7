"""Where the words of a market come from: which sources list it, and what changed when and by whom."""

import uuid
from collections import defaultdict
from datetime import date, datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import DomainEvent
from loppestars_core.markets.assembly import CRAWLS_UNTIL_VANISHED
from loppestars_core.markets.models import MarketOverride, MarketSighting, MarketState
from loppestars_core.markets.sighting import SourceMarket

_NOT_SAID: Final = frozenset({"source", "rank", "document"})
_STATES: Final = tuple(f"market.{state}" for state in MarketState)
_EVENTS: Final = (*_STATES, "market.created", "market.split", "market.moved", "market.renamed")


class ListedBy(NamedTuple):
    """What one source says of a market now.

    `state` is `listed`, `missed` (not in its last crawl), `vanished` (gone for good, it seems), `cancelled` or
    `postponed`.
    """

    source: str
    external_id: str
    url: str | None
    state: str
    first_seen_at: datetime
    last_seen_at: datetime
    missed_crawls: int
    name: str
    start_date: date
    end_date: date

    @classmethod
    def of(cls, first: MarketSighting, last: MarketSighting) -> Self:
        """Return what a source says that said something for the first time in `first`, and now says `last`."""
        said = SourceMarket.of_raw(last.raw)
        states = {
            MarketState.VANISHED.value: last.missed_crawls >= CRAWLS_UNTIL_VANISHED,
            MarketState.CANCELLED.value: said.cancelled,
            MarketState.POSTPONED.value: said.postponed,
            "missed": last.missed_crawls > 0,
        }
        return cls(
            source=last.source,
            external_id=last.external_id,
            url=last.url,
            state=next((state for state, holds in states.items() if holds), "listed"),
            first_seen_at=first.first_seen_at,
            last_seen_at=last.last_seen_at,
            missed_crawls=last.missed_crawls,
            name=said.name,
            start_date=said.start_date,
            end_date=said.end_date,
        )


class Change(NamedTuple):
    """That a field was another one before: by a source, or by an admin (`who`), or, of the state, by what happened."""

    at: datetime
    by: str
    who: str | None
    field: str
    before: Any
    after: Any


async def sources_of(session: AsyncSession, market_id: uuid.UUID) -> list[ListedBy]:
    """Return which sources list a market, those whose words count first."""
    chains = await _chains(session, market_id)
    found = [(chain[0], chain[-1]) for chain in chains if chain[-1].superseded_at is None]
    listed = [(SourceMarket.of_raw(last.raw), ListedBy.of(first, last)) for first, last in found]
    return [by for _, by in sorted(listed, key=lambda pair: (pair[0].rank, pair[1].source))]


async def history_of(session: AsyncSession, market_id: uuid.UUID) -> list[Change]:
    """Return what changed of a market, the latest first: words of its sources, corrections, and its state."""
    said: list[Change] = []
    for before, after in (pair for chain in await _chains(session, market_id) for pair in pairwise(chain)):
        was, now = before.raw["market"], after.raw["market"]
        said += [
            Change(after.first_seen_at, after.source, None, name, was.get(name), now.get(name))
            for name in sorted((was.keys() | now.keys()) - _NOT_SAID)
            if was.get(name) != now.get(name)
        ]
    overrides = select(MarketOverride).where(MarketOverride.market_id == market_id)
    for row in (await session.execute(overrides)).scalars():
        said.append(Change(row.set_at, "admin", row.set_by, row.field, None, row.value))
        if row.revoked_at is not None:
            said.append(Change(row.revoked_at, "admin", None, row.field, row.value, None))
    events = select(DomainEvent).where(
        DomainEvent.subject_type == "market",
        DomainEvent.subject_id == str(market_id),
        DomainEvent.event.in_(_EVENTS),
    )
    happened = [
        Change(event.at, "loppestars", None, "state", None, event.event.removeprefix("market."))
        for event in (await session.execute(events)).scalars()
    ]
    return sorted([*said, *happened], key=attrgetter("at"), reverse=True)


async def corrected_fields(session: AsyncSession, market_id: uuid.UUID) -> list[MarketOverride]:
    """Return the corrections that hold now."""
    active = MarketOverride.market_id == market_id, MarketOverride.revoked_at.is_(None)
    rows = await session.execute(select(MarketOverride).where(*active).order_by(MarketOverride.field))
    return list(rows.scalars())


async def _chains(session: AsyncSession, market_id: uuid.UUID) -> list[list[MarketSighting]]:
    """Return what each listing of a market has said, in its order."""
    statement = select(MarketSighting).where(MarketSighting.market_id == market_id).order_by(MarketSighting.id)
    chains: dict[tuple[str, str], list[MarketSighting]] = defaultdict(list)
    for sighting in (await session.execute(statement)).scalars():
        chains[sighting.source, sighting.external_id].append(sighting)
    return list(chains.values())
