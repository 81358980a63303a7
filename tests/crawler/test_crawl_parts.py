"""Parts of a crawl by themselves: sites and their copies, ids, details, the message at the end."""

import json
import uuid
from datetime import date
from typing import Any

import pytest

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_core.markets.ingest import Recorded
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.report import Report, write_termination_message
from loppestars_crawler.crawl.sink import SourceSink, shrink_reason
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.items import ListedMarket, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.completing import completed
from loppestars_crawler.settings import CrawlerSettings
from loppestars_crawler.sites import Site

COPY = Site("https://markedskalenderen.dk", "http://127.0.0.1:8081/kopi/")
DAY = date(2026, 12, 5)


@pytest.mark.parametrize(
    ("link", "fetched"),
    [
        ("https://markedskalenderen.dk/marked/x?page=2", "http://127.0.0.1:8081/kopi/marked/x?page=2"),
        ("http://www.markedskalenderen.dk/marked/x", "http://127.0.0.1:8081/kopi/marked/x"),
        ("https://markedskalenderen.dk", "http://127.0.0.1:8081/kopi/"),
        ("http://127.0.0.1:8081/kopi/marked/x", "http://127.0.0.1:8081/kopi/marked/x"),
        # A copy below a path still holds the site's own links, which begin at the site's root.
        ("http://127.0.0.1:8081/marked/x?page=2", "http://127.0.0.1:8081/kopi/marked/x?page=2"),
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081/kopi/"),
        ("http://127.0.0.1:8081/kopier/x", "http://127.0.0.1:8081/kopi/kopier/x"),
        ("http://127.0.0.1:8081/kopi", "http://127.0.0.1:8081/kopi"),
        # What a host allows is said at its root, whatever lies below.
        ("http://127.0.0.1:8081/robots.txt", "http://127.0.0.1:8081/robots.txt"),
        ("http://127.0.0.1:9999/marked/x", None),
        ("https://markedskalenderen.dk.example.org/x", None),
        ("https://example.org/x", None),
        ("javascript:alert(1)", None),
        ("http://[broken", None),
        ("http://host:99999/", None),
    ],
)
def test_links_to_the_real_host_are_fetched_from_the_copy(link: str, fetched: str | None) -> None:
    """Only the site's own pages, and those from where this crawl fetches them."""
    assert COPY.on_base(link) == fetched
    if fetched is not None:
        assert COPY.on_base(fetched) == fetched, "a page is fetched from one address"


def test_links_are_published_as_people_know_them() -> None:
    """A copy's address is not what a market's link says."""
    assert COPY.as_published("http://127.0.0.1:8081/kopi/marked/x") == "https://markedskalenderen.dk/marked/x"
    assert COPY.as_published("http://127.0.0.1:8081/kopi") == "https://markedskalenderen.dk/"
    for path in ("/marked/x?a=b", "/kopier/x"):
        assert COPY.as_published(f"http://127.0.0.1:8081{path}") == f"https://markedskalenderen.dk{path}"
    assert COPY.as_published("https://example.org/x") == "https://example.org/x"
    assert COPY.as_published(None) is None
    real = Site("https://markedskalenderen.dk", "https://markedskalenderen.dk/")
    assert real.on_base("https://markedskalenderen.dk/x") == "https://markedskalenderen.dk/x"


@pytest.mark.parametrize(
    "link",
    [
        "http://markedskalenderen.dk/x?page=2",
        "http://markedskalenderen.dk:80/x?page=2",
        "https://name:password@markedskalenderen.dk/x?page=2",
    ],
)
def test_links_do_not_lead_off_tls(link: str) -> None:
    """Certificates are always verified, also where a page or a redirect names http://, and no link signs us in."""
    real = Site("https://markedskalenderen.dk", "https://markedskalenderen.dk/")
    assert real.on_base(link) == "https://markedskalenderen.dk/x?page=2"


class MemoryStore:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.markets: list[SourceMarket] = []
        self.failed: list[Problem] = []
        self.still_listed: list[tuple[str, str]] = []
        self.known: set[str] = set()

    async def knows(self, _: str, external_id: str) -> bool:
        """What earlier crawls found."""
        return external_id in self.known

    async def keep_listed(self, source: str, external_id: str) -> None:
        """Note it."""
        self.still_listed.append((source, external_id))

    async def record(self, market: SourceMarket, *, complete: bool) -> Recorded:
        """Everything is new; one name cannot be stored."""
        if market.name == "unstorable":
            raise ValueError("no")
        self.markets.append(market)
        return Recorded.NEW

    async def record_failed(self, _: str, problem: Problem) -> None:
        """Keep the problem."""
        self.failed.append(problem)


class NoCache:
    """A cache of geocodes that is always empty."""

    async def find(self, *_: Any) -> None:
        """Nothing is kept."""

    async def keep(self, *_: Any) -> None:
        """Nothing is kept."""


def source_run(store: MemoryStore, limit: int | None = None) -> SourceSink:
    """A run of the calendar into `store`."""
    locator = Locator(NoCache())
    return SourceSink("markedskalenderen", COPY, store, locator, limit=limit, ask_to_stop=lambda: None)  # type: ignore[arg-type]  # a store in memory


def listed(name: str = "Loppemarked", municipality: str | None = None, **changes: Any) -> ListedMarket:
    """A row of the calendar."""
    details = MarketDetails(municipality=municipality)
    values = {"external_id": f"{name}|{DAY}|{DAY}", "name": name, "start_date": DAY, "end_date": DAY, **changes}
    return ListedMarket(source="markedskalenderen", details=details, **values)


async def test_markets_of_one_name_on_one_day_in_two_towns_are_two() -> None:
    """The second one's id says its town; the same row twice is one market and counted as skipped."""
    store = MemoryStore()
    run = source_run(store)
    for town in ("Odense", "Aarhus", "Odense", "Aarhus"):
        await run.take(listed(municipality=town))
    assert [market.external_id for market in store.markets] == [
        "Loppemarked|2026-12-05|2026-12-05",
        "Loppemarked|2026-12-05|2026-12-05|Aarhus",
    ]
    assert (run.counts["seen"], run.counts["new"], run.counts["skipped"]) == (4, 2, 2)


@pytest.mark.parametrize("towns", [["Aarhus"], ["Aarhus", "Odense"], ["Odense", "Aarhus"]])
async def test_a_town_keeps_its_id(towns: list[str]) -> None:
    """Also when its market is listed first the next time, or the other town's no longer: ids do not change places."""
    store = MemoryStore()
    store.known = {f"Loppemarked|{DAY}|{DAY}", f"Loppemarked|{DAY}|{DAY}|Aarhus"}
    run = source_run(store)
    for town in towns:
        await run.take(listed(municipality=town))
    ids = {market.municipality: market.external_id for market in store.markets}
    assert ids == {town: f"Loppemarked|{DAY}|{DAY}" + ("|Aarhus" if town == "Aarhus" else "") for town in towns}


async def test_what_cannot_be_stored_is_counted_with_its_reason() -> None:
    """One bad market costs itself only."""
    store = MemoryStore()
    run = source_run(store)
    await run.take(listed("unstorable"))
    await run.take(listed("fine"))
    await run.take(Problem(Outcome.REMARK, "unknown glyph", "…"))
    assert (run.counts["seen"], run.counts["failed"], run.counts["new"]) == (2, 1, 1)
    assert store.failed[0].reason.startswith("could not be stored: ValueError")
    assert store.still_listed == [("markedskalenderen", f"unstorable|{DAY}|{DAY}")], "it is listed all the same"


async def test_nothing_is_taken_beyond_the_limit() -> None:
    """The limit counts markets, not what was skipped."""
    store = MemoryStore()
    run = source_run(store, limit=1)
    await run.take(Problem(Outcome.SKIPPED, "a row without a date", "…"))
    await run.take(listed("one"))
    await run.take(listed("two"))
    assert ([market.name for market in store.markets], run.stopped) == (["one"], True)


def test_a_row_is_completed_by_its_page() -> None:
    """The row's own words count; a flag that either sets is set; silence is no denial."""
    row = MarketDetails(municipality="Odense", has_food=True, has_parking=None)
    page = MarketDetails(municipality="Fyn", address="Torvet 1", has_food=False, has_toilets=True)
    merged = completed(row, page)
    assert (merged.municipality, merged.address) == ("Odense", "Torvet 1")
    assert (merged.has_food, merged.has_parking, merged.has_toilets) == (True, None, True)


@pytest.mark.parametrize(
    ("now", "last_time", "believed"), [(50, 100, True), (49, 100, False), (0, None, True), (0, 1, False), (5, 0, True)]
)
def test_half_of_last_time_is_the_least_that_is_believed(now: int, last_time: int | None, believed: bool) -> None:  # noqa: FBT001 - a row of the table
    """Less than half is a broken site, not the end of flea markets."""
    assert (shrink_reason(now, last_time) is None) is believed


def test_the_message_at_the_end_fits(tmp_path: Any) -> None:
    """At most 4,096 bytes of valid JSON, whatever went wrong; an unwritable file is no failure."""
    counts = dict.fromkeys(("seen", "new", "changed", "unchanged", "vanished", "skipped", "failed"), 10**9)
    sources = {f"source-{number}": counts for number in range(60)}
    report = Report(uuid.uuid4(), CrawlState.FAILED, ExitCode.FAILED, counts, sources, "æ" * 5000)
    write_termination_message(str(tmp_path / "message"), report)
    raw = (tmp_path / "message").read_bytes()
    assert len(raw) <= 4096
    assert json.loads(raw)["counts"]["seen"] == 10**9
    write_termination_message(str(tmp_path / "no" / "folder"), report)


def test_every_setting_says_what_it_is_for() -> None:
    """`--help` lists them all with their purpose."""
    assert all(field.description for field in CrawlerSettings.model_fields.values())
