"""Store what sources say: sightings as history, markets as their sum, each step in the caller's transaction.

Idempotent: the same words again move `last_seen_at` and nothing else. Only the holder of the crawl lock records
sightings, so two crawls never race for one market.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, insert, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.folding import fold
from loppestars_core.markets.fields import SEARCHED
from loppestars_core.markets.matching import Listing, compare
from loppestars_core.markets.models import Market, MarketOverride, MarketRedirect, MarketSighting, MarketState
from loppestars_core.markets.search_text import search_terms
from loppestars_core.markets.sighting import SourceMarket, combine, completed, is_renumbered, series_of

CRAWLS_UNTIL_VANISHED: Final = 2
"""Successful crawls in a row that did not list a market, until it is believed to be gone."""
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
    unseen = [KnownSighting(*row) for row in rows if row.external_id not in known]
    for said in unknown:
        same = [sighting for sighting in unseen if is_renumbered(said, sighting.said())]
        if len(same) == 1:
            known[said.external_id] = same[0]
            unseen.remove(same[0])
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
    for said in batch:
        current = known.get(said.external_id)
        whole = said if current is None or current.is_hash_of(said) else completed(said, current.said())
        if current is not None and current.is_hash_of(whole):
            seen_again.append(current)
            outcomes[said.external_id] = Recorded.UNCHANGED
            continue
        try:
            async with session.begin_nested():
                outcomes[said.external_id] = await _record(session, whole, current, run_id)
        except (OperationalError, InterfaceError):
            raise
        except (DBAPIError, ValueError, TypeError) as error:
            outcomes[said.external_id] = error
            if current is not None:
                seen_again.append(current)
    back = await _see_again(session, seen_again)
    return outcomes | dict.fromkeys((name for name, outcome in outcomes.items() if name in back), Recorded.CHANGED)


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


async def _record(
    session: AsyncSession, said: SourceMarket, current: KnownSighting | None, run_id: uuid.UUID | None
) -> Recorded:
    if current is None:
        return await _record_first(session, said, run_id)
    await session.execute(
        update(MarketSighting).where(MarketSighting.id == current.id).values(superseded_at=func.now()),
    )
    if await _moved_away(session, said, current.market_id):
        await _record_first(session, said, run_id)
        await refresh_market(session, current.market_id)
        return Recorded.CHANGED
    await _add_sighting(session, said, current.market_id, run_id)
    market_id = await _join_same_market(session, said, current.market_id)
    await refresh_market(session, market_id)
    return Recorded.CHANGED


async def _moved_away(session: AsyncSession, said: SourceMarket, market_id: uuid.UUID) -> bool:
    """Return whether a source moved its market to other days than those on which another source still has it."""
    others = [SourceMarket.of_raw(sighting.raw) for sighting in await _current_sightings(session, market_id)]
    dates = {(other.start_date, other.end_date) for other in others if other.source != said.source}
    return bool(dates) and (said.start_date, said.end_date) not in dates


async def _record_first(session: AsyncSession, said: SourceMarket, run_id: uuid.UUID | None) -> Recorded:
    market_id = await _same_market(session, said)
    if market_id is not None:
        await _add_sighting(session, said, market_id, run_id)
        return Recorded.CHANGED if await refresh_market(session, market_id) else Recorded.UNCHANGED
    market_id = uuid.uuid4()
    columns = combine([said])
    series = series_of(said.name, columns["postal_code"], columns["city"] or columns["municipality"])
    await session.execute(insert(Market).values(id=market_id, series_id=series, **_with_search(columns)))
    await _add_sighting(session, said, market_id, run_id)
    await record_event(session, "market", market_id, "market.created", {"source": said.source})
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


async def refresh_market(session: AsyncSession, market_id: uuid.UUID) -> dict[str, Any]:
    """Put a market together again from what its sources say now and what admins corrected.

    A market that no source lists any more has vanished and keeps its words. Returns the columns that changed.
    """
    market = (
        await session.execute(
            select(Market).where(Market.id == market_id).execution_options(populate_existing=True).with_for_update(),
        )
    ).scalar_one()
    sightings = await _current_sightings(session, market_id)
    listed = [sighting for sighting in sightings if sighting.missed_crawls < CRAWLS_UNTIL_VANISHED]
    columns = combine([SourceMarket.of_raw(sighting.raw) for sighting in listed or sightings])
    if not listed:
        columns["state"] = MarketState.VANISHED
    columns |= await _overrides(session, market_id)
    changed = {name: value for name, value in columns.items() if getattr(market, name) != value}
    values: dict[str, Any] = {"last_seen_at": max(sighting.last_seen_at for sighting in sightings)}
    if changed:
        values |= {**_with_search(columns), "scraped_at": func.now()}
        event = f"market.{changed['state']}" if "state" in changed else "market.changed"
        await record_event(session, "market", market_id, event, {"fields": sorted(changed)})
    await session.execute(update(Market).where(Market.id == market_id).values(values))
    return changed


async def merge_markets(session: AsyncSession, keep: uuid.UUID, drop: uuid.UUID) -> None:
    """Make two markets one: sightings and corrections move to `keep`, and the id of `drop` resolves to it."""
    await session.execute(update(MarketSighting).where(MarketSighting.market_id == drop).values(market_id=keep))
    kept_fields = select(MarketOverride.field).where(
        MarketOverride.market_id == keep, MarketOverride.revoked_at.is_(None)
    )
    await session.execute(
        update(MarketOverride)
        .where(MarketOverride.market_id == drop, MarketOverride.field.not_in(kept_fields))
        .values(market_id=keep),
    )
    await session.execute(update(MarketRedirect).where(MarketRedirect.market_id == drop).values(market_id=keep))
    await session.execute(insert(MarketRedirect).values(id=drop, market_id=keep))
    await session.execute(delete(Market).where(Market.id == drop))
    await record_event(session, "market", drop, "market.merged", {"into": str(keep)})


async def _join_same_market(session: AsyncSession, said: SourceMarket, market_id: uuid.UUID) -> uuid.UUID:
    """After a change: if another source's market is now the same, merge the younger into the older."""
    others = {sighting.source for sighting in await _current_sightings(session, market_id)} - {said.source}
    same = None if others else await _same_market(session, said)
    if same is None or same == market_id:
        return market_id
    await merge_markets(session, keep=same, drop=market_id)
    return same


async def _same_market(session: AsyncSession, said: SourceMarket) -> uuid.UUID | None:
    """Return a market of other sources that is the one meant, if exactly one is."""
    statement = (
        select(MarketSighting.market_id, MarketSighting.source, MarketSighting.raw)
        .join(Market, Market.id == MarketSighting.market_id)
        .where(
            # Written out, so that the partial indexes on dates apply. A market that the other source calls off counts:
            # it must not be listed as another one.
            text("(markets.state = 'scheduled' OR markets.state IN ('cancelled', 'postponed'))"),
            Market.start_date == said.start_date,
            Market.end_date == said.end_date,
            MarketSighting.superseded_at.is_(None),
        )
    )
    rows = (await session.execute(statement)).all()
    taken = {row.market_id for row in rows if row.source == said.source}
    listing = Listing.of(said)
    candidates = {
        row.market_id
        for row in rows
        if row.market_id not in taken and compare(listing, Listing.of(SourceMarket.of_raw(row.raw))).same
    }
    return candidates.pop() if len(candidates) == 1 else None


async def _current_sightings(session: AsyncSession, market_id: uuid.UUID) -> list[MarketSighting]:
    statement = (
        select(MarketSighting)
        .where(MarketSighting.market_id == market_id, MarketSighting.superseded_at.is_(None))
        .order_by(MarketSighting.id)
        .execution_options(populate_existing=True)
    )
    return list((await session.execute(statement)).scalars())


async def _add_sighting(
    session: AsyncSession, said: SourceMarket, market_id: uuid.UUID, run_id: uuid.UUID | None
) -> None:
    await session.execute(
        insert(MarketSighting).values(
            market_id=market_id,
            source=said.source,
            external_id=said.external_id,
            url=said.url,
            raw=said.raw(),
            content_hash=said.content_hash(),
            crawl_run_id=run_id,
        ),
    )


async def _overrides(session: AsyncSession, market_id: uuid.UUID) -> dict[str, Any]:
    """Columns that admins corrected, in the types of the columns."""
    statement = select(MarketOverride.field, MarketOverride.value).where(
        MarketOverride.market_id == market_id,
        MarketOverride.revoked_at.is_(None),
    )
    return {row.field: _typed(row.field, row.value) for row in await session.execute(statement)}


def _typed(name: str, value: Any) -> Any:  # noqa: ANN401 - a value of JSON
    """Return a corrected value as its column has it: JSON knows neither dates nor decimals."""
    python_type = Market.__table__.columns[name].type.python_type
    if value is None or isinstance(value, python_type | dict):
        return value
    if hasattr(python_type, "fromisoformat"):
        return python_type.fromisoformat(value)
    return python_type(str(value) if isinstance(value, float) and python_type is not float else value)


def _with_search(columns: dict[str, Any]) -> dict[str, Any]:
    """Columns with those that search reads."""
    words = [columns[name] for name in SEARCHED]
    return {
        **columns,
        "search_name": fold(columns["name"]),
        "search_terms": func.array_to_tsvector(search_terms(words, columns["postal_code"])),
    }
