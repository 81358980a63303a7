"""A market put together from what its sources say now and what admins corrected."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Text, Uuid, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from loppestars_core.events.domain_events import record_event, record_events
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
_LAST_SEEN: Final = (
    select(func.max(MarketSighting.last_seen_at))
    .where(MarketSighting.market_id == Market.id, MarketSighting.superseded_at.is_(None))
    .correlate(Market)
    .scalar_subquery()
)
_SEEN: Final = (
    update(Market)
    .where(Market.id == func.any(bindparam("ids", type_=ARRAY(Uuid))))
    .values(last_seen_at=_LAST_SEEN)
    .execution_options(synchronize_session=False)
)


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
    return (await refresh_markets(session, [market_id]))[market_id]


async def refresh_markets(session: AsyncSession, market_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """Put some markets together again, in the same few statements for one as for hundreds; return what changed."""
    ids = sorted(set(market_ids))
    statement = select(Market).where(Market.id.in_(ids)).order_by(Market.id)
    locked = statement.execution_options(populate_existing=True).with_for_update()
    markets = list((await session.execute(locked)).scalars())
    sightings, corrected = await sightings_of(session, ids), await _overrides(session, ids)
    changed = {}
    rows = []
    for market in markets:
        columns = _columns(sightings[market.id], corrected.get(market.id, {}))
        changed[market.id] = {name: value for name, value in columns.items() if getattr(market, name) != value}
        if changed[market.id]:
            rows.append((market, columns))
    await session.execute(_SEEN, {"ids": ids})
    if rows:
        await _rewrite(session, rows)
        await record_events(session, "market", {market.id: _event(changed[market.id]) for market, _ in rows})
    return changed


def _columns(sightings: Sequence[MarketSighting], corrected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a market that its sources and admins say."""
    listed = [sighting for sighting in sightings if sighting.missed_crawls < CRAWLS_UNTIL_VANISHED]
    columns = combine([SourceMarket.of_raw(sighting.raw) for sighting in listed or sightings])
    if not listed:
        columns["state"] = MarketState.VANISHED
    columns |= corrected
    if corrected.get("latitude") is not None:
        columns["position_approximate"] = False
    return columns


def _event(changed: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    name = f"market.{changed['state']}" if "state" in changed else "market.changed"
    return name, {"fields": sorted(changed)}


async def _rewrite(session: AsyncSession, rows: Sequence[tuple[Market, Mapping[str, Any]]]) -> None:
    """Store the columns of markets that changed, in one statement, and in the objects of the session."""
    names = sorted(set().union(*(columns for _, columns in rows)))
    values = {name: bindparam(f"new_{name}", type_=Market.__mapper__.columns[name].type) for name in names}
    statement = update(Market.__table__).where(Market.__table__.c.id == bindparam("of"))  # type: ignore[arg-type]  # as above
    terms = func.array_to_tsvector(bindparam("terms", type_=ARRAY(Text)))
    search = {"search_name": bindparam("folded"), "search_terms": terms, "scraped_at": func.now()}
    renamed = {Market.__mapper__.columns[name].name: value for name, value in values.items()}
    parameters = []
    for market, columns in rows:
        whole = {name: columns.get(name, getattr(market, name)) for name in names}
        parameters.append(
            {
                "of": market.id,
                "folded": fold(whole["name"]),
                "terms": _terms(whole),
                **{f"new_{name}": value for name, value in whole.items()},
            }
        )
        for name, value in whole.items():
            set_committed_value(market, name, value)
        session.expire(market, [*search, "last_seen_at"])
    connection = await session.connection()
    await connection.execute(statement.values(renamed | search), parameters)


async def current_sightings(session: AsyncSession, market_id: uuid.UUID) -> list[MarketSighting]:
    """Return what each source says of a market now, the oldest first."""
    return (await sightings_of(session, [market_id]))[market_id]


async def sightings_of(
    session: AsyncSession, market_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[MarketSighting]]:
    """Return what each source says of some markets now, the oldest first."""
    statement = (
        select(MarketSighting)
        .where(MarketSighting.market_id.in_(market_ids), MarketSighting.superseded_at.is_(None))
        .order_by(MarketSighting.id)
        .execution_options(populate_existing=True)
    )
    found: dict[uuid.UUID, list[MarketSighting]] = {market_id: [] for market_id in market_ids}
    for sighting in (await session.execute(statement)).scalars():
        found[sighting.market_id].append(sighting)
    return found


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


async def _overrides(session: AsyncSession, market_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """Columns that admins corrected, in the types of the columns, by market."""
    statement = select(MarketOverride.market_id, MarketOverride.field, MarketOverride.value).where(
        MarketOverride.market_id.in_(market_ids),
        MarketOverride.revoked_at.is_(None),
    )
    corrected: dict[uuid.UUID, dict[str, Any]] = defaultdict(dict)
    for row in await session.execute(statement):
        corrected[row.market_id][row.field] = _typed(row.field, row.value)
    return corrected


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
