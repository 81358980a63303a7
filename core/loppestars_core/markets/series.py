"""Which occurrences are one market on several days: the same name at the same place, however well that is known."""

import uuid
from collections import defaultdict
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.folding import fold
from loppestars_core.markets.models import Market, MarketSighting
from loppestars_core.markets.names import is_specific, read_name
from loppestars_core.places.gazetteer import danish_places
from loppestars_core.places.postal_codes import danish_postal_codes

# Any constant serves: it keeps our series apart from other users of UUIDs made of names.
_SERIES: Final = uuid.UUID("6f0b0a52-3f1f-5d1a-9d0c-8f4b6a1c2e77")


def series_of(name: str, *, postal_code: str | None, city: str | None, municipality: str | None) -> uuid.UUID:
    """Return the same for all occurrences of a market.

    A telling name counts in its whole municipality, so a source may give the postal code of some days and only the
    town of others; what is just called a flea market counts at its postal code.
    """
    row = danish_postal_codes().get(postal_code)
    town = fold(city or "")
    where = municipality_of(town) or fold(municipality or "") if row is None else fold(row.municipality)
    near = where or town if is_specific(read_name(name).words) else postal_code or town or where
    return uuid.uuid5(_SERIES, f"{fold(name)}|{near}")


def municipality_of(town: str) -> str | None:
    """Return the folded municipality of a folded town, where all its postal codes are in one."""
    table = danish_postal_codes()
    codes = {code for place in danish_places().named(town) for code in place.codes}
    found = {fold(row.municipality) for code in codes if (row := table.get(code))}
    return found.pop() if len(found) == 1 else None


async def regroup(session: AsyncSession, source: str, *, crawl_started: datetime) -> int:
    """After a whole crawl: put what a source lists into the series of what is known of it now; return how many moved.

    A postal code may be known later than the first occurrence.
    """
    statement = (
        select(Market.id, Market.series_id, Market.name, Market.postal_code, Market.city, Market.municipality)
        .join(MarketSighting, MarketSighting.market_id == Market.id)
        .where(
            MarketSighting.source == source,
            MarketSighting.superseded_at.is_(None),
            MarketSighting.last_seen_at >= crawl_started,
        )
    )
    moved: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for row in await session.execute(statement):
        series = series_of(row.name, postal_code=row.postal_code, city=row.city, municipality=row.municipality)
        if series != row.series_id:
            moved[series].append(row.id)
    for series, market_ids in moved.items():
        await session.execute(update(Market).where(Market.id.in_(market_ids)).values(series_id=series))
    return sum(map(len, moved.values()))
