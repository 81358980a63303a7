"""A market put together from what its sources say now and what admins corrected."""

import uuid
from typing import Any, Final

from sqlalchemy import ARRAY, Text, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.folding import fold
from loppestars_core.markets.fields import SEARCHED
from loppestars_core.markets.models import Market, MarketOverride, MarketRedirect, MarketSighting, MarketState
from loppestars_core.markets.search_text import search_terms
from loppestars_core.markets.series import series_of
from loppestars_core.markets.sighting import SourceMarket, combine

CRAWLS_UNTIL_VANISHED: Final = 2
"""Successful crawls in a row that did not list a market, until it is believed to be gone."""
INSERT_MARKET: Final = insert(Market.__table__).values(  # type: ignore[arg-type]  # a table, though typed wider
    search_terms=func.array_to_tsvector(bindparam("terms", type_=ARRAY(Text)))
)
"""Takes rows of `new_market`."""


def new_market(market_id: uuid.UUID, said: SourceMarket) -> dict[str, Any]:
    """Return the row of a market that one source lists, for `INSERT_MARKET`."""
    columns = combine([said])
    place = {name: columns[name] for name in ("postal_code", "city", "municipality")}
    return {
        **{Market.__mapper__.columns[name].name: value for name, value in columns.items()},
        "id": market_id,
        "series_id": series_of(said.name, **place),
        "search_name": fold(columns["name"]),
        "terms": _terms(columns),
    }


async def refresh_market(session: AsyncSession, market_id: uuid.UUID) -> dict[str, Any]:
    """Put a market together again from what its sources say now and what admins corrected.

    A market that no source lists any more has vanished and keeps its words. Returns the columns that changed.
    """
    market = (
        await session.execute(
            select(Market).where(Market.id == market_id).execution_options(populate_existing=True).with_for_update(),
        )
    ).scalar_one()
    sightings = await current_sightings(session, market_id)
    listed = [sighting for sighting in sightings if sighting.missed_crawls < CRAWLS_UNTIL_VANISHED]
    columns = combine([SourceMarket.of_raw(sighting.raw) for sighting in listed or sightings])
    if not listed:
        columns["state"] = MarketState.VANISHED
    corrected = await _overrides(session, market_id)
    columns |= corrected
    if corrected.get("latitude") is not None:
        columns["position_approximate"] = False
    changed = {name: value for name, value in columns.items() if getattr(market, name) != value}
    values: dict[str, Any] = {"last_seen_at": max(sighting.last_seen_at for sighting in sightings)}
    if changed:
        search = {"search_name": fold(columns["name"]), "search_terms": func.array_to_tsvector(_terms(columns))}
        values |= {**columns, **search, "scraped_at": func.now()}
        event = f"market.{changed['state']}" if "state" in changed else "market.changed"
        await record_event(session, "market", market_id, event, {"fields": sorted(changed)})
    await session.execute(update(Market).where(Market.id == market_id).values(values))
    return changed


async def current_sightings(session: AsyncSession, market_id: uuid.UUID) -> list[MarketSighting]:
    """Return what each source says of a market now, the oldest first."""
    statement = (
        select(MarketSighting)
        .where(MarketSighting.market_id == market_id, MarketSighting.superseded_at.is_(None))
        .order_by(MarketSighting.id)
        .execution_options(populate_existing=True)
    )
    return list((await session.execute(statement)).scalars())


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


def _terms(columns: dict[str, Any]) -> list[str]:
    """Return the words under which search finds a market."""
    return search_terms([columns[name] for name in SEARCHED], columns["postal_code"])
