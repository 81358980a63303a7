"""The sink: ids, counts, batches, and what is not believed."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from loppestars_core.markets.ingest import KnownSighting, Recorded
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.sink import MAX_BATCH, SourceSink
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.items import ListedMarket, MarketDetails, Outcome, Problem
from loppestars_crawler.sites import Site

SITE = Site("https://markedskalenderen.dk", "http://127.0.0.1:8081")
DAY = date(2026, 12, 5)


class MemoryStore:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.markets: list[SourceMarket] = []
        self.failed: list[Problem] = []
        self.ids: set[str] = set()
        self.missed = 0
        self.doubted: list[str] = []
        self.released: set[str] = set()

    async def known(self, batch: Sequence[SourceMarket]) -> dict[str, KnownSighting]:
        """Return nothing: every market is new."""
        return {said.external_id: None for said in batch if said.external_id in self.ids}  # type: ignore[misc]

    async def known_ids(self, external_ids: Sequence[str]) -> set[str]:
        """Return what earlier crawls found."""
        return self.ids & set(external_ids)

    async def missed_so_far(self) -> int:
        """Return what the test says."""
        return self.missed

    async def record(
        self, batch: Sequence[SourceMarket], _: Mapping[str, KnownSighting]
    ) -> dict[str, Recorded | Exception]:
        """Take everything as new, except one name."""
        self.batches.append(len(batch))
        self.markets += [market for market in batch if market.name != "unstorable"]
        return {
            market.external_id: ValueError("no") if market.name == "unstorable" else Recorded.NEW for market in batch
        }

    async def record_failed(self, problem: Problem) -> None:
        """Keep the problem."""
        self.failed.append(problem)

    async def quarantine(self, doubted: Sequence[tuple[SourceMarket, str]]) -> set[str]:
        """Keep what is not believed, unless it was released."""
        self.doubted += [reason for said, reason in doubted if said.external_id not in self.released]
        return {said.external_id for said, _ in doubted} & self.released


class NoCache:
    """A cache of geocodes that is always empty."""

    async def find(self, *_: Any) -> None:
        """Return nothing."""

    async def keep(self, *_: Any) -> None:
        """Keep nothing."""


def sink_of(store: MemoryStore, limit: int | None = None, *, accept_shrink: bool = False) -> SourceSink:
    """Return the calendar's sink into `store`."""
    return SourceSink(
        "markedskalenderen",
        SITE,
        store,
        Locator(NoCache()),
        limit=limit,
        accept_shrink=accept_shrink,
        ask_to_stop=lambda: None,
    )


def listed(name: str = "Loppemarked", municipality: str | None = None, **changes: Any) -> ListedMarket:
    """Return a row of the calendar."""
    details = MarketDetails(municipality=municipality, country=changes.pop("country", None))
    values = {"external_id": f"{name}|{DAY}|{DAY}", "name": name, "start_date": DAY, "end_date": DAY, **changes}
    return ListedMarket(source="markedskalenderen", details=details, **values)


class TestIds:
    """One name on one day in two towns."""

    async def test_two_towns(self) -> None:
        """Expect the second one's id to say its town, and the same row twice to be one market."""
        store = MemoryStore()
        sink = sink_of(store)
        for town in ("Odense", "Aarhus", "Odense", "Aarhus"):
            await sink.take(listed(municipality=town))
        await sink.flush()
        assert [market.external_id for market in store.markets] == [
            "Loppemarked|2026-12-05|2026-12-05",
            "Loppemarked|2026-12-05|2026-12-05|Aarhus",
        ]
        assert (sink.counts["seen"], sink.counts["new"], sink.counts["skipped"]) == (4, 2, 2)

    @pytest.mark.parametrize("towns", [["Aarhus"], ["Aarhus", "Odense"], ["Odense", "Aarhus"]])
    async def test_a_town_keeps_its_id(self, towns: list[str]) -> None:
        """Expect ids not to change places, in whichever order markets are listed, or when one is gone."""
        store = MemoryStore()
        store.ids = {f"Loppemarked|{DAY}|{DAY}", f"Loppemarked|{DAY}|{DAY}|Aarhus"}
        sink = sink_of(store)
        for town in towns:
            await sink.take(listed(municipality=town))
        await sink.flush()
        ids = {market.municipality: market.external_id for market in store.markets}
        assert ids == {town: f"Loppemarked|{DAY}|{DAY}" + ("|Aarhus" if town == "Aarhus" else "") for town in towns}


class TestTake:
    """Counting."""

    async def test_unstorable(self) -> None:
        """Expect one bad market to cost itself only."""
        store = MemoryStore()
        sink = sink_of(store)
        await sink.take(listed("unstorable"))
        await sink.take(listed("fine"))
        await sink.take(Problem(Outcome.REMARK, "unknown glyph", "…"))
        await sink.flush()
        assert (sink.counts["seen"], sink.counts["failed"], sink.counts["new"]) == (2, 1, 1)
        assert store.failed[0].reason.startswith("could not be stored: ValueError")
        assert sink.coverage.listed == 1

    async def test_limit(self) -> None:
        """Expect the limit to count markets, not what was skipped."""
        store = MemoryStore()
        sink = sink_of(store, limit=1)
        await sink.take(Problem(Outcome.SKIPPED, "a row without a date", "…"))
        await sink.take(listed("first"))
        await sink.take(listed("second"))
        await sink.flush()
        assert ([market.name for market in store.markets], sink.stopped) == (["first"], True)

    async def test_outside_denmark(self) -> None:
        """Expect a market of Sweden to be skipped and counted."""
        store = MemoryStore()
        sink = sink_of(store)
        await sink.take(listed("Malmö loppis", country="SE"))
        await sink.take(listed("Dansk", country="Danmark"))
        await sink.flush()
        assert (sink.counts["skipped"], sink.counts["new"]) == (1, 1)

    async def test_batches(self) -> None:
        """Expect markets to be stored some hundred at a time."""
        store = MemoryStore()
        sink = sink_of(store)
        for number in range(MAX_BATCH + 1):
            await sink.take(listed(f"Marked {number}"))
        await sink.flush()
        assert sum(store.batches) == MAX_BATCH + 1
        assert max(store.batches) <= MAX_BATCH


class TestChurn:
    """Ids and names that change with each crawl."""

    @pytest.mark.parametrize(("missed", "accept_shrink", "stored"), [(100, False, 0), (100, True, 80), (0, False, 80)])
    async def test_unknown_ids(self, missed: int, accept_shrink: bool, stored: int) -> None:  # noqa: FBT001 - a row
        """Expect a source to be stopped before it stores anything when its known markets are missing meanwhile."""
        store = MemoryStore()
        store.missed = missed
        sink = sink_of(store, accept_shrink=accept_shrink)
        for number in range(80):
            await sink.take(listed(f"M\u00e6rked {number}"))
        await sink.flush()
        assert len(store.markets) == stored
        assert (sink.error is None) == (stored > 0)


class TestQuarantine:
    """Markets that are understood and not believed."""

    async def test_doubt(self) -> None:
        """Expect them to be kept apart and counted as skipped; one that an admin released is stored."""
        store = MemoryStore()
        store.released = {"released"}
        sink = sink_of(store)
        late = date(2099, 1, 1)
        for external_id in ("odd", "released"):
            await sink.take(listed("Nyt\u00e5rsmarked", external_id=external_id, start_date=late, end_date=late))
        await sink.take(listed("https://loppe.example/"))
        await sink.take(listed())
        await sink.flush()
        assert (sink.counts["skipped"], sink.quarantined, sink.counts["new"]) == (2, 2, 2)
        assert [reason.split(",")[0] for reason in store.doubted] == [
            "it begins on 2099-01-01",
            "its name is not a name: 'https://loppe.example/'",
        ]
