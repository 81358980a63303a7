"""Store what sources say: sightings as history, markets as their sum, each step in the caller's transaction.

Idempotent: the same words again move `last_seen_at` and nothing else. Only the holder of the crawl lock records
sightings, so two crawls never race for one market.
"""

import uuid
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.domain_events import record_events
from loppestars_core.kit.folding import fold
from loppestars_core.markets.assembly import (
    CRAWLS_UNTIL_VANISHED,
    INSERT_MARKET,
    current_sightings,
    merge_markets,
    new_market,
    refresh_market,
)
from loppestars_core.markets.blocks import blocks_of
from loppestars_core.markets.candidates import Meant, candidates_of, same_market
from loppestars_core.markets.decisions import decided_about, follow_renumbering, key_of, note_automatic
from loppestars_core.markets.listing import Listing
from loppestars_core.markets.models import Market, MarketSighting
from loppestars_core.markets.sighting import SourceMarket, completed, is_renumbered

_CURRENT: Final = select(
    MarketSighting.external_id,
    MarketSighting.id,
    MarketSighting.market_id,
    MarketSighting.content_hash,
    MarketSighting.missed_crawls,
    MarketSighting.raw,
)


class Recorded(StrEnum):
    """What a sighting did to the market that it is of."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class KnownSighting(NamedTuple):
    """What a source said last of an occurrence."""

    external_id: str
    id: int
    market_id: uuid.UUID
    content_hash: str
    missed_crawls: int
    raw: dict[str, Any]

    def is_hash_of(self, said: SourceMarket) -> bool:
        """Return whether the source says the same now."""
        return self.content_hash == said.content_hash()

    def said(self) -> SourceMarket:
        """Return its words."""
        return SourceMarket.of_raw(self.raw)


async def record_sighting(session: AsyncSession, said: SourceMarket, *, run_id: uuid.UUID | None = None) -> Recorded:
    """Store that a source lists an occurrence. Of a field that it leaves out now, its earlier words are kept."""
    known = await known_sightings(session, [said])
    recorded = await record_sightings(session, [said], known, run_id=run_id)
    outcome = recorded[said.external_id]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def known_sightings(
    session: AsyncSession, batch: Sequence[SourceMarket], *, crawl_started: datetime | None = None
) -> dict[str, KnownSighting]:
    """Return what the source of a batch said last of its occurrences, by their ids of now.

    With `crawl_started`, an id that is new may stand for one that this crawl has not listed yet: the same name, days
    and place are the same occurrence, renumbered by its source.
    """
    if not batch:
        return {}
    source = batch[0].source
    ids = [said.external_id for said in batch]
    current = _CURRENT.where(MarketSighting.source == source, MarketSighting.superseded_at.is_(None))
    rows = await session.execute(current.where(MarketSighting.external_id.in_(ids)))
    known = {row.external_id: KnownSighting(*row) for row in rows}
    unknown = [said for said in batch if said.external_id not in known]
    if not unknown or crawl_started is None:
        return known
    days = {(said.start_date, said.end_date) for said in unknown}
    rows = await session.execute(
        current.join(Market, Market.id == MarketSighting.market_id).where(
            tuple_(Market.start_date, Market.end_date).in_(days), MarketSighting.last_seen_at < crawl_started
        )
    )
    unseen: dict[str, list[KnownSighting]] = defaultdict(list)
    for row in rows:
        if row.external_id not in known:
            unseen[fold(row.raw["market"]["name"])].append(KnownSighting(*row))
    for said in unknown:
        named = unseen.get(fold(said.name), [])
        same = [sighting for sighting in named if is_renumbered(said, sighting.said())]
        if len(same) == 1:
            known[said.external_id] = same[0]
            named.remove(same[0])
    return known


async def record_sightings(
    session: AsyncSession,
    batch: Sequence[SourceMarket],
    known: Mapping[str, KnownSighting],
    *,
    run_id: uuid.UUID | None = None,
) -> dict[str, Recorded | Exception]:
    """Store that a source lists some occurrences, each once; one that cannot be stored leaves the others alone.

    All that say the same as before are one statement. `known` is `known_sightings` of the batch.
    """
    outcomes: dict[str, Recorded | Exception] = {}
    seen_again: list[KnownSighting] = []
    first = []
    for said in batch:
        current = known.get(said.external_id)
        if current is None:
            first.append(said)
            continue
        whole = said if current.is_hash_of(said) else completed(said, current.said())
        outcome: Recorded | Exception = Recorded.UNCHANGED
        if not current.is_hash_of(whole):
            outcome = await _one(session, _record_changed(session, whole, current, run_id))
        if outcome is Recorded.UNCHANGED or isinstance(outcome, Exception):
            seen_again.append(current)
        outcomes[said.external_id] = outcome
    # Last: a market that changed may have moved away from one that a new listing means.
    outcomes |= await _record_first(session, first, run_id)
    back = await _see_again(session, seen_again)
    return outcomes | dict.fromkeys((name for name, outcome in outcomes.items() if name in back), Recorded.CHANGED)


async def _one(session: AsyncSession, work: Awaitable[Recorded]) -> Recorded | Exception:
    """Return what comes of storing one listing; what cannot be stored leaves no trace, a lost connection is raised."""
    try:
        async with session.begin_nested():
            return await work
    except (OperationalError, InterfaceError):
        raise
    except (DBAPIError, ValueError, TypeError) as error:
        return error


async def is_known(session: AsyncSession, source: str, external_ids: Sequence[str]) -> set[str]:
    """Return which of some ids a source has listed occurrences under."""
    found = await session.execute(
        select(MarketSighting.external_id).where(
            MarketSighting.source == source,
            MarketSighting.external_id.in_(external_ids),
            MarketSighting.superseded_at.is_(None),
        )
    )
    return set(found.scalars())


async def _record_changed(
    session: AsyncSession, said: SourceMarket, current: KnownSighting, run_id: uuid.UUID | None
) -> Recorded:
    await session.execute(
        update(MarketSighting).where(MarketSighting.id == current.id).values(superseded_at=func.now()),
    )
    if current.external_id != said.external_id:
        await follow_renumbering(session, key_of(current.said()), key_of(said))
    if await _moved_away(session, said, current.market_id):
        same = same_market(said, (await candidates_of(session, [said]))[said.external_id])
        if same is None:
            await _add_markets(session, [said], run_id)
        else:
            await _join(session, said, same, run_id)
        await refresh_market(session, current.market_id)
        return Recorded.CHANGED
    await _add_sightings(session, [(said, current.market_id)], run_id)
    market_id = await _join_same_market(session, said, current.market_id)
    await refresh_market(session, market_id)
    return Recorded.CHANGED


async def _moved_away(session: AsyncSession, said: SourceMarket, market_id: uuid.UUID) -> bool:
    """Return whether a source moved its market to other days than those on which another source still has it."""
    others = [SourceMarket.of_raw(sighting.raw) for sighting in await current_sightings(session, market_id)]
    others = [other for other in others if other.source != said.source]
    dates = {(other.start_date, other.end_date) for other in others}
    if not dates or (said.start_date, said.end_date) in dates:
        return False
    decided = (await decided_about(session, [key_of(said)])).get(key_of(said))
    return decided is None or decided.same.isdisjoint(key_of(other) for other in others)


async def _record_first(
    session: AsyncSession, batch: Sequence[SourceMarket], run_id: uuid.UUID | None
) -> dict[str, Recorded | Exception]:
    """Store listings that the source had not listed before; those of markets that nobody had are stored together."""
    outcomes: dict[str, Recorded | Exception] = {}
    candidates = await candidates_of(session, batch)
    taken: set[uuid.UUID] = set()
    new = []
    for said in batch:
        free = [candidate for candidate in candidates[said.external_id] if candidate.market_id not in taken]
        same = same_market(said, free)
        if same is None:
            new.append(said)
            continue
        taken.add(same.market_id)
        outcomes[said.external_id] = await _one(session, _join(session, said, same, run_id))
    if isinstance(await _one(session, _add_markets(session, new, run_id)), Recorded):
        return outcomes | dict.fromkeys((said.external_id for said in new), Recorded.NEW)
    for said in new:
        outcomes[said.external_id] = await _one(session, _add_markets(session, [said], run_id))
    return outcomes


async def _join(session: AsyncSession, said: SourceMarket, same: Meant, run_id: uuid.UUID | None) -> Recorded:
    """Store that a source lists the market of another one, and why that is believed."""
    await _add_sightings(session, [(said, same.market_id)], run_id)
    keys = key_of(same.said), key_of(said)
    await note_automatic(session, same.market_id, keys, score=same.match.score, reasons=same.match.reasons)
    return Recorded.CHANGED if await refresh_market(session, same.market_id) else Recorded.UNCHANGED


async def _add_markets(session: AsyncSession, batch: Sequence[SourceMarket], run_id: uuid.UUID | None) -> Recorded:
    """Store markets that nobody had listed, in three statements."""
    if batch:
        listed = [(said, uuid.uuid4()) for said in batch]
        connection = await session.connection()
        await connection.execute(INSERT_MARKET, [new_market(market_id, said) for said, market_id in listed])
        await _add_sightings(session, listed, run_id)
        await record_events(
            session, "market", {market_id: ("market.created", {"source": said.source}) for said, market_id in listed}
        )
    return Recorded.NEW


async def _see_again(session: AsyncSession, sightings: Sequence[KnownSighting]) -> set[str]:
    """Move `last_seen_at` of what sources still say; return the ids whose markets had gone with them and are back."""
    if not sightings:
        return set()
    seen = (
        update(MarketSighting)
        .where(MarketSighting.id.in_([sighting.id for sighting in sightings]))
        .values(last_seen_at=func.now(), missed_crawls=0)
        .returning(MarketSighting.market_id)
        .cte("seen")
    )
    await session.execute(
        update(Market).where(Market.id.in_(select(seen.c.market_id))).values(last_seen_at=func.now()).add_cte(seen)
    )
    back = [sighting for sighting in sightings if sighting.missed_crawls >= CRAWLS_UNTIL_VANISHED]
    return {sighting.external_id for sighting in back if await refresh_market(session, sighting.market_id)}


async def _join_same_market(session: AsyncSession, said: SourceMarket, market_id: uuid.UUID) -> uuid.UUID:
    """After a change: if another source's market is now the same, merge the younger into the older."""
    others = {sighting.source for sighting in await current_sightings(session, market_id)} - {said.source}
    same = None if others else same_market(said, (await candidates_of(session, [said]))[said.external_id])
    if same is None or same.market_id == market_id:
        return market_id
    keys = key_of(same.said), key_of(said)
    match = same.match
    await note_automatic(session, same.market_id, keys, score=match.score, reasons=match.reasons, dropped=market_id)
    await merge_markets(session, keep=same.market_id, drop=market_id)
    return same.market_id


async def _add_sightings(
    session: AsyncSession, listed: Sequence[tuple[SourceMarket, uuid.UUID]], run_id: uuid.UUID | None
) -> None:
    await session.execute(
        insert(MarketSighting),
        [
            {
                "market_id": market_id,
                "source": said.source,
                "external_id": said.external_id,
                "url": said.url,
                "raw": said.raw(),
                "content_hash": said.content_hash(),
                "blocks": blocks_of(Listing.of(said)),
                "crawl_run_id": run_id,
            }
            for said, market_id in listed
        ],
    )
