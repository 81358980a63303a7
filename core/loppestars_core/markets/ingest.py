"""Store what sources say: sightings as history, markets as their sum, each step in the caller's transaction.

Idempotent: the same words again move `last_seen_at` and nothing else. Only the holder of the crawl lock records
sightings, so two crawls never race for one market.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TypeVar

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.domain_events import record_events
from loppestars_core.markets.assembly import (
    CRAWLS_UNTIL_VANISHED,
    INSERT_MARKET,
    current_sightings,
    merge_markets,
    new_market,
    refresh_market,
    refresh_markets,
)
from loppestars_core.markets.blocks import blocks_of
from loppestars_core.markets.candidates import Meant, candidates_of, same_market
from loppestars_core.markets.decisions import Joined, decided_about, follow_renumbering, key_of, note_automatic
from loppestars_core.markets.known import KnownSighting, known_sightings
from loppestars_core.markets.listing import Listing
from loppestars_core.markets.models import Market, MarketSighting
from loppestars_core.markets.sighting import SourceMarket, completed

_Work = TypeVar("_Work")


class Recorded(StrEnum):
    """What a sighting did to the market that it is of."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


async def record_sighting(session: AsyncSession, said: SourceMarket, *, run_id: uuid.UUID | None = None) -> Recorded:
    """Store that a source lists an occurrence. Of a field that it leaves out now, its earlier words are kept."""
    known = await known_sightings(session, [said])
    recorded = await record_sightings(session, [said], known, run_id=run_id)
    outcome = recorded[said.external_id]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


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
            outcome = await _attempt(session, _record_changed(session, whole, current, run_id))
        if outcome is Recorded.UNCHANGED or isinstance(outcome, Exception):
            seen_again.append(current)
        outcomes[said.external_id] = outcome
    # Last: a market that changed may have moved away from one that a new listing means.
    outcomes |= await _record_first(session, first, run_id)
    back = await _see_again(session, seen_again)
    return outcomes | dict.fromkeys((name for name, outcome in outcomes.items() if name in back), Recorded.CHANGED)


async def _attempt(session: AsyncSession, work: Awaitable[_Work]) -> _Work | Exception:
    """Return what comes of storing listings; what cannot be stored leaves no trace, a lost connection is raised."""
    try:
        async with session.begin_nested():
            return await work
    except (OperationalError, InterfaceError):
        raise
    except (DBAPIError, ValueError, TypeError) as error:
        return error


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
            await _add_markets(session, run_id, [said])
        else:
            await _join(session, run_id, [(said, same)])
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
    """Store listings that the source had not listed before: those of known markets, then those of new ones."""
    candidates = await candidates_of(session, batch)
    taken: set[uuid.UUID] = set()
    new: dict[str, SourceMarket] = {}
    joined: dict[str, tuple[SourceMarket, Meant]] = {}
    for said in batch:
        free = [candidate for candidate in candidates[said.external_id] if candidate.market_id not in taken]
        same = same_market(said, free)
        if same is None:
            new[said.external_id] = said
        else:
            taken.add(same.market_id)
            joined[said.external_id] = said, same
    outcomes = await _together(session, joined, partial(_join, session, run_id))
    return outcomes | await _together(session, new, partial(_add_markets, session, run_id))


async def _together(
    session: AsyncSession,
    listed: Mapping[str, _Work],
    store: Callable[[Sequence[_Work]], Awaitable[dict[str, Recorded]]],
) -> dict[str, Recorded | Exception]:
    """Store all in the same statements, or each by itself if that fails."""
    stored = await _attempt(session, store(list(listed.values())))
    if not isinstance(stored, Exception):
        return dict(stored)
    outcomes: dict[str, Recorded | Exception] = {}
    for name, part in listed.items():
        alone = await _attempt(session, store([part]))
        outcomes[name] = alone if isinstance(alone, Exception) else alone[name]
    return outcomes


async def _join(
    session: AsyncSession, run_id: uuid.UUID | None, joined: Sequence[tuple[SourceMarket, Meant]]
) -> dict[str, Recorded]:
    """Store that a source lists markets of others, and why that is believed."""
    if not joined:
        return {}
    await _add_sightings(session, [(said, same.market_id) for said, same in joined], run_id)
    noted = [
        Joined(same.market_id, (key_of(same.said), key_of(said)), same.match.score, same.match.reasons)
        for said, same in joined
    ]
    await note_automatic(session, noted)
    changed = await refresh_markets(session, [same.market_id for _, same in joined])
    return {
        said.external_id: Recorded.CHANGED if changed[same.market_id] else Recorded.UNCHANGED for said, same in joined
    }


async def _add_markets(
    session: AsyncSession, run_id: uuid.UUID | None, batch: Sequence[SourceMarket]
) -> dict[str, Recorded]:
    """Store markets that nobody had listed, in three statements."""
    if batch:
        listed = [(said, uuid.uuid4()) for said in batch]
        connection = await session.connection()
        await connection.execute(INSERT_MARKET, [new_market(market_id, said) for said, market_id in listed])
        await _add_sightings(session, listed, run_id)
        await record_events(
            session, "market", {market_id: ("market.created", {"source": said.source}) for said, market_id in listed}
        )
    return dict.fromkeys((said.external_id for said in batch), Recorded.NEW)


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
    await note_automatic(session, [Joined(same.market_id, keys, same.match.score, same.match.reasons, market_id)])
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
