"""With fifty thousand markets each list reads an index, not the table."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.query import MarketQuery, Position, select_markets
from tests.factories.many_markets import add_many_markets

COPENHAGEN = Position(latitude=55.6761, longitude=12.5683)
TODAY = today_in_denmark()


@pytest.fixture
async def many(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to a database with 50,000 markets."""
    async with engine.connect() as connection:
        await add_many_markets(connection)
        yield connection


async def plan_of(connection: AsyncConnection, statement: Select[Any]) -> dict[str, Any]:
    """The plan as PostgreSQL ran it: names of indexes used, tables read whole, milliseconds."""
    sql = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    found = await connection.exec_driver_sql("EXPLAIN (ANALYZE, FORMAT JSON) " + sql.replace("%", "%%"))
    document = found.scalar_one()[0]
    nodes = list(_nodes(document["Plan"]))
    return {
        "indexes": {node["Index Name"] for node in nodes if "Index Name" in node},
        "whole": {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"},
    }


def _nodes(node: dict[str, Any]) -> Any:
    yield node
    for inner in node.get("Plans", []):
        yield from _nodes(inner)


class TestIndexes:
    async def test_each_list_uses_its_index(self, many: AsyncConnection) -> None:
        """Today by dates, nearby by position, search by words; all of Denmark for a year in one pass."""
        soon = {"from_day": TODAY, "until_day": TODAY + timedelta(days=30)}
        expected = {
            "ix_markets_dates": MarketQuery(from_day=TODAY, until_day=TODAY),
            "ix_markets_position": MarketQuery(position=COPENHAGEN, radius_km=5, **soon),
            "ix_markets_search": MarketQuery(text="nykobing havnen"),
        }
        for index, query in expected.items():
            plan = await plan_of(many, select_markets(query, TODAY))
            assert index in plan["indexes"], plan
            assert plan["whole"] == set()
        year = {"from_day": TODAY, "until_day": TODAY + timedelta(days=365)}
        for query in (
            MarketQuery(position=COPENHAGEN, radius_km=500, limit=100, **year),
            MarketQuery(text="loppemarked", limit=100),
            MarketQuery(position=COPENHAGEN, from_day=TODAY, until_day=TODAY, limit=100),
        ):
            # One pass over the table at most, and no other.
            assert (await plan_of(many, select_markets(query, TODAY)))["whole"] <= {"markets"}
