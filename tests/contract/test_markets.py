"""A market's columns: the answers, the table, the crawler's words, corrections and filters name the same."""

import types
import typing
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Boolean
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.markets.repository import MarketRepository, open_market_pool
from loppestars_api.markets.schemas import MarketResponse, market_bytes
from loppestars_core.database.engine import sessions
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.markets.fields import COLUMNS, CORRECTABLE, FLAGS, SEARCHED
from loppestars_core.markets.models import Market
from loppestars_core.markets.query import MarketQuery
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.items import MarketDetails
from tests.factories.markets import add_market

# MarketResponse as the released app reads it, in its order.
RESPONSE = (
    *("id", "external_id", "name", "municipality", "category", "start_date", "end_date", "address", "city"),
    *("postal_code", "latitude", "longitude", "description", "organizer_name", "organizer_phone", "organizer_email"),
    *("organizer_website", "opening_hours", "entry_fee", "stall_count", "has_food", "has_parking", "has_toilets"),
    *("has_wifi", "is_indoor", "is_outdoor", "special_features", "source_url", "loppemarkeder_nu", "scraped_at"),
    "distance",
)
# What the crawler needs of a market only to place and to judge it.
PLACE_ONLY = {"country", "unclear", "venue"}
NOT_CORRECTABLE = {"id", "external_id", "source_url", "source_fields", "scraped_at"}
# Each column has a value that no other has, flags apart.
VALUES: dict[str, Any] = {
    "external_id": "external",
    "name": "name",
    "municipality": "municipality",
    "category": "category",
    "start_date": date(2026, 6, 6),
    "end_date": date(2026, 6, 7),
    "address": "address",
    "city": "city",
    "postal_code": "postal code",
    "latitude": 55.5,
    "longitude": 12.5,
    "description": "description",
    "organizer_name": "organizer",
    "organizer_phone": "phone",
    "organizer_email": "e-mail",
    "organizer_website": "website",
    "opening_hours": "hours",
    "entry_fee": Decimal("25.50"),
    "stall_count": 12,
    "special_features": "features",
    "source_url": "url",
    "source_fields": {"more": 1},
    "scraped_at": datetime(2026, 6, 1, 12, tzinfo=UTC),
}


def flags_of(annotations: dict[str, Any]) -> set[str]:
    """The names that are `bool | None`."""
    return {
        name
        for name, hint in annotations.items()
        if isinstance(hint, types.UnionType) and set(typing.get_args(hint)) == {bool, types.NoneType}
    }


@pytest.fixture
async def markets(database_settings: DatabaseSettings) -> AsyncIterator[MarketRepository]:
    """The repository that the API reads through."""
    async with open_market_pool(database_settings, size=1, statement_seconds=5) as pool:
        yield MarketRepository(pool, seconds=5)


class TestColumns:
    def test_order(self) -> None:
        """The answers have the contract's keys in its order."""
        named = ["loppemarkeder_nu" if name == "source_fields" else name for name in COLUMNS]
        assert (*named, "distance") == tuple(MarketResponse.model_fields) == RESPONSE

    @pytest.mark.parametrize("flag", FLAGS)
    async def test_values(self, flag: str, engine: AsyncEngine, markets: MarketRepository) -> None:
        """Each key has the value of its own column, also where only one flag is set."""
        values = {**VALUES, **dict.fromkeys(FLAGS, False), flag: True}
        async with sessions(engine).begin() as session:
            identifier = await add_market(session, id=uuid4(), **values)
        row = await markets.find(UUID(str(identifier)))
        assert row is not None
        found = MarketResponse.model_validate_json(market_bytes(row)).model_dump()
        expected = {**values, "id": identifier, "loppemarkeder_nu": VALUES["source_fields"], "distance": None}
        del expected["source_fields"]
        assert found == expected

    def test_source_words(self) -> None:
        """A source may say something of every column that an admin may correct, but for the state."""
        said = {field.name for field in fields(SourceMarket)}
        assert CORRECTABLE - {"state"} <= said
        assert {field.name for field in fields(MarketDetails)} - PLACE_ONLY <= said


class TestFlags:
    def test_same_everywhere(self) -> None:
        """The table, the answers, the sources' words and the crawler's items have the same flags."""
        known = set(FLAGS)
        columns = {column.name for column in Market.__table__.columns if isinstance(column.type, Boolean)}
        assert columns - {"position_approximate"} == known
        assert {name for name, field in MarketResponse.model_fields.items() if field.annotation is bool} == known
        assert flags_of(typing.get_type_hints(SourceMarket)) == known
        assert flags_of(typing.get_type_hints(MarketDetails)) == known

    def test_filters(self) -> None:
        """A search can ask for each of them."""
        flags = {name for name in MarketResponse.model_fields if name.startswith(("has_", "is_"))}
        assert MarketQuery(flags=dict.fromkeys(flags, True)).flags.keys() == flags


class TestCorrectable:
    def test_everything_but_identity(self) -> None:
        """An admin may correct whatever clients read, apart from where it came from."""
        assert {"state", *COLUMNS} - NOT_CORRECTABLE == CORRECTABLE

    def test_searched_are_columns(self) -> None:
        """The words of names and places are searched."""
        assert set(SEARCHED) == {"name", "city", "address", "municipality"}
