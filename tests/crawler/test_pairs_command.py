"""Deciding about pairs from the command line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.ingest import record_sighting
from loppestars_core.markets.models import Market
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.cli import main

Pairs = Callable[..., Awaitable[Any]]


def listing(source: str, name: str) -> SourceMarket:
    return SourceMarket(
        source=source,
        external_id=name,
        name=name,
        category="Loppemarked",
        start_date=today_in_denmark(),
        end_date=today_in_denmark(),
        postal_code="2100",
        city="København Ø",
    )


@pytest.fixture
def pairs(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pairs:
    """Run `loppestars-crawler pairs …`; return what it prints as JSON."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    async def run(*arguments: object) -> Any:
        await asyncio.to_thread(main, ["pairs", *map(str, arguments)])
        printed = capsys.readouterr().out
        return json.loads(printed) if printed else None

    return run


class TestPairs:
    async def test_listed_decided_and_undone(self, session: AsyncSession, pairs: Pairs) -> None:
        """Ids and numbers of one command are arguments of the next."""
        for said in (listing("a", "Vestre Skole"), listing("b", "Loppemarked")):
            await record_sighting(session, said)
        await session.commit()
        [pair] = await pairs("list", "--json")
        [made] = await pairs("same", pair["market"], pair["other"], "--reason", "asked them", "--json")
        await session.commit()
        assert (await session.execute(select(Market.name))).scalars().all() == ["Vestre Skole"]
        [taken] = await pairs("split", pair["market"], "--source", "b", "--json")
        assert taken["market"] == pair["other"]
        await pairs("undo", taken["decision"])
        decided = await pairs("decisions", "--market", pair["market"], "--json")
        assert [(found["kind"], found["reasons"]) for found in decided] == [("split", ""), ("same", "asked them")]
        assert decided[1]["decision"] == made["decision"]

    async def test_refused_with_a_sentence(
        self, session: AsyncSession, pairs: Pairs, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit 1: no such market, no such decision, one market already."""
        await record_sighting(session, listing("a", "Vestre Skole"))
        market = (await session.execute(select(Market.id))).scalar_one()
        await session.commit()
        refusals = {
            ("undo", "7"): "no decision with this number",
            ("join", str(market), str(market)): "one market already",
            ("different", str(market), "00000000-0000-0000-0000-000000000000"): "no market with this id",
        }
        for arguments, reason in refusals.items():
            with pytest.raises(SystemExit) as ended:
                await pairs(*arguments)
            assert ended.value.code == 1
            assert reason in capsys.readouterr().err
