"""A source that says its events in JSON-LD, crawled as a whole; the page object has its saved pages."""

import json

import pytest

from loppestars_crawler.pages.json_ld import MAX_NODES, nodes, parse
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import Crawler, FaultySite, answer_on

LIST = "/arrangementer"


@pytest.fixture
def torvet(crawler: Crawler) -> Crawler:
    """Crawls of the source `torvet` alone."""
    crawler.settings = {
        "JSONLD_SOURCES": json.dumps({"torvet": [f"{crawler.url}{LIST}"]}),
        "CRAWL_SOURCES": "torvet",
    }
    return crawler


def _crawled(torvet: Crawler, site: FaultySite) -> list[tuple[str, dict[str, str], int]]:
    assert torvet.crawl().exit_code == 0
    return list(site.log)


class TestSource:
    """A whole source."""

    def test_twice(self, torvet: Crawler, site: FaultySite) -> None:
        """Lists and the pages they link to are read once each; a second crawl changes nothing."""
        first = torvet.crawl()
        assert first.exit_code == 0, first.output[-2000:]
        assert first.counts["new"] > 20
        assert first.counts["seen"] == first.counts["new"], first.output[-2000:]
        pages = [target for target, _, _ in site.log if target.startswith(LIST)]
        assert len(pages) == len(set(pages))
        assert f"{LIST}?page=2" in pages
        assert any(target.startswith(f"{LIST}/") for target in pages)
        assert torvet.value("SELECT count(*) FROM markets WHERE latitude IS NULL OR position_approximate") == 0
        assert torvet.rows("SELECT DISTINCT source FROM market_sightings") == [("torvet",)]
        hours = {row[0] for row in torvet.rows("SELECT DISTINCT opening_hours FROM markets")}
        assert hours == {"10:00-16:00", "10:30-16:30", None}
        before = torvet.dump()
        second = torvet.crawl()
        assert (second.counts["unchanged"], second.counts["new"]) == (first.counts["new"], 0)
        assert torvet.dump() == before

    def test_beside_the_other_sources(self, torvet: Crawler) -> None:
        """What two sources list is one market: the second adds sightings, not markets."""
        assert torvet.crawl("--source", "loppemarkeder").exit_code == 0
        markets = torvet.value("SELECT count(*) FROM markets")
        crawled = torvet.crawl()
        assert crawled.exit_code == 0
        shared = (
            "SELECT count(*) FROM (SELECT market_id FROM market_sightings GROUP BY 1 HAVING count(*) = 2) AS shared"
        )
        assert torvet.value(shared) > 20
        assert torvet.value("SELECT count(*) FROM markets") - markets < 5

    @pytest.mark.parametrize(("status", "exit_code"), [(404, 0), (500, 1)])
    def test_the_page_of_an_event_is_away(self, torvet: Crawler, site: FaultySite, status: int, exit_code: int) -> None:
        """Gone is a market less, counted; down for the moment fails the source, and nothing vanishes."""
        pages = [target for target, _, _ in _crawled(torvet, site) if target.startswith(f"{LIST}/")]
        site.faults.append(answer_on(pages[0], Answer(status, b"")))
        crawled = torvet.crawl(RETRY_TIMES="0")
        assert crawled.exit_code == exit_code
        assert crawled.counts["skipped"] == (1 if status == 404 else 0)
        assert crawled.counts["vanished"] == 0

    @pytest.mark.parametrize(
        ("sources", "named"),
        [
            ('{"torvet": []}', "torvet"),
            ('{"markedskalenderen": ["https://a.example/"]}', "give it another name"),
            ('{"torvet": ["https://a.example/", "https://b.example/"]}', "several hosts"),
            ('{"Torvet!": ["https://a.example/"]}', "Torvet!"),
            ('{"torvet": ["ftp://a.example/"]}', "http"),
            ("torvet", "JSONLD_SOURCES"),
        ],
    )
    def test_wrong_settings_are_named(self, torvet: Crawler, sources: str, named: str) -> None:
        """Exit 2 before anything is fetched."""
        crawled = torvet.crawl(JSONLD_SOURCES=sources, CRAWL_SOURCES="loppemarkeder")
        assert crawled.exit_code == 2
        assert named in crawled.output
        assert "JSONLD_SOURCES" in crawled.output

    def test_bounds(self) -> None:
        """Deep nesting is no JSON, and of a huge page only so many objects are looked at."""
        with pytest.raises(ValueError, match="nested"):
            parse("[" * 200_000)
        assert sum(1 for _ in nodes([{}] * (2 * MAX_NODES))) < MAX_NODES
