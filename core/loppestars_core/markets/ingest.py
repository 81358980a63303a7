"""Store what sources say: sightings as history, markets as their sum, each step in the caller's transaction.

Idempotent: the same words again move `last_seen_at` and nothing else. Only the holder of the crawl lock records
sightings, so two crawls never race for one market.
"""

import uuid
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, insert, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.folding import fold
from loppestars_core.markets.fields import SEARCHED
from loppestars_core.markets.matching import Listing, compare
from loppestars_core.markets.models import Market, MarketOverride, MarketRedirect, MarketSighting, MarketState
from loppestars_core.markets.search_text import search_terms
from loppestars_core.markets.sighting import SourceMarket, combine, series_of

_SAME = (MarketState.SCHEDULED, MarketState.CANCELLED)


class Recorded(StrEnum):
    """What a sighting did to the market that it is of."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


async def record_sighting(
    session: AsyncSession,
    said: SourceMarket,
    *,
    run_id: uuid.UUID | None = None,
    complete: bool = True,
) -> Recorded:
    """Store that a source lists an occurrence.

    `complete=False` says that a part of the source could not be read this time: then what is known is kept, and only
    `last_seen_at` moves.
    """
    current = await _current_sighting(session, said.source, said.external_id)
    if current is None:
        return await _record_first(session, said, run_id)
    if not complete or current.content_hash == said.content_hash():
        return await _see_again(session, current)
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


async def is_known(session: AsyncSession, source: str, external_id: str) -> bool:
    """Whether a source has listed an occurrence under this id."""
    return await _current_sighting(session, source, external_id) is not None


async def keep_listed(session: AsyncSession, source: str, external_id: str) -> None:
    """A source lists an occurrence, in words that cannot be stored: what it said before stays and is not missed."""
    current = await _current_sighting(session, source, external_id)
    if current is not None:
        await _see_again(session, current)


async def _moved_away(session: AsyncSession, said: SourceMarket, market_id: uuid.UUID) -> bool:
    """Whether a source moved its market to other days than those on which another source still has it."""
    others = [SourceMarket.of_raw(one.raw) for one in await _current_sightings(session, market_id)]
    dates = {(one.start_date, one.end_date) for one in others if one.source != said.source}
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


async def _see_again(session: AsyncSession, current: Row[int, uuid.UUID, str, int]) -> Recorded:
    """The source still says the same: `last_seen_at` moves, and words that had gone with their source are back."""
    await session.execute(
        update(MarketSighting).where(MarketSighting.id == current.id).values(last_seen_at=func.now(), missed_crawls=0),
    )
    await session.execute(update(Market).where(Market.id == current.market_id).values(last_seen_at=func.now()))
    if current.missed_crawls < CRAWLS_UNTIL_VANISHED:
        return Recorded.UNCHANGED
    return Recorded.CHANGED if await refresh_market(session, current.market_id) else Recorded.UNCHANGED


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
    listed = [one for one in sightings if one.missed_crawls < CRAWLS_UNTIL_VANISHED]
    columns = combine([SourceMarket.of_raw(one.raw) for one in listed or sightings])
    if not listed:
        columns["state"] = MarketState.VANISHED
    columns |= await _overrides(session, market_id)
    changed = {name: value for name, value in columns.items() if getattr(market, name) != value}
    values: dict[str, Any] = {"last_seen_at": max(one.last_seen_at for one in sightings)}
    if changed:
        values |= {**_with_search(columns), "scraped_at": func.now()}
        await record_event(session, "market", market_id, _event_name(changed), {"fields": sorted(changed)})
    await session.execute(update(Market).where(Market.id == market_id).values(values))
    return changed


CRAWLS_UNTIL_VANISHED = 2
"""Successful crawls in a row that did not list a market, until it is believed to be gone."""


def _event_name(changed: dict[str, Any]) -> str:
    return f"market.{changed['state']}" if "state" in changed else "market.changed"


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
    others = {one.source for one in await _current_sightings(session, market_id)} - {said.source}
    same = None if others else await _same_market(session, said)
    if same is None or same == market_id:
        return market_id
    await merge_markets(session, keep=same, drop=market_id)
    return same


async def _same_market(session: AsyncSession, said: SourceMarket) -> uuid.UUID | None:
    """A market of other sources that is the one meant, if exactly one is."""
    statement = (
        select(MarketSighting.market_id, MarketSighting.source, MarketSighting.raw)
        .join(Market, Market.id == MarketSighting.market_id)
        .where(
            # Written out, so that the partial indexes on dates apply. A market that the other source calls off counts:
            # it must not be listed as another one.
            or_(*(Market.state == literal_column(f"'{state}'") for state in _SAME)),
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


async def _current_sighting(
    session: AsyncSession, source: str, external_id: str
) -> Row[int, uuid.UUID, str, int] | None:
    """What a source said last: id, market, content hash, and how many crawls have missed it since."""
    statement = select(
        MarketSighting.id, MarketSighting.market_id, MarketSighting.content_hash, MarketSighting.missed_crawls
    ).where(
        MarketSighting.source == source,
        MarketSighting.external_id == external_id,
        MarketSighting.superseded_at.is_(None),
    )
    return (await session.execute(statement)).one_or_none()


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
    """A corrected value as its column has it: JSON knows neither dates nor decimals."""
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
        "search_terms": func.array_to_tsvector(search_terms(words)),
    }
