"""Markets for tests: sensible values, each of which a test may replace."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.folding import fold
from loppestars_core.markets.models import Market
from loppestars_core.markets.search_text import search_terms


def market_values(**overrides: Any) -> dict[str, Any]:
    """The columns of one market, search columns included."""
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "series_id": uuid.uuid4(),
        "external_id": uuid.uuid4().hex,
        "name": "Loppemarked på Torvet",
        "category": "Loppemarked",
        "start_date": date(2026, 6, 6),
        "end_date": date(2026, 6, 7),
        "city": "København",
        "municipality": "København",
        "latitude": 55.6761,
        "longitude": 12.5683,
        "scraped_at": datetime(2026, 6, 1, 12, tzinfo=UTC),
        **overrides,
    }
    words = [values.get(name) for name in ("name", "city", "address", "municipality")]
    values["search_name"] = fold(values["name"])
    values["search_terms"] = func.array_to_tsvector(search_terms(words, values.get("postal_code")))
    return values


async def add_market(session: AsyncSession, **overrides: Any) -> uuid.UUID:
    """Insert one market and return its id."""
    values = market_values(**overrides)
    await session.execute(insert(Market).values(values))
    identifier: uuid.UUID = values["id"]
    return identifier
