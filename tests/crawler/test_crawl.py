"""Whole crawls: what is stored, that nothing changes the second time, and what ends a crawl early."""

import uuid

from tests.factories.crawls import Crawler, FaultySite

DETAIL = "/marked/000-2100"


def test_a_second_crawl_changes_nothing_but_last_seen_at(crawler: Crawler, site: FaultySite) -> None:
    """Everything is stored, both sources of a market are one; crawled again, no row of any table differs."""
    first = crawler.crawl()
    assert first.exit_code == 0, first.output[-2000:]
    assert first.counts["new"] > 200
    assert first.counts["changed"] > 0
    assert first.counts["failed"] == 0
    assert first.counts["seen"] == sum(
        first.counts[name] for name in ("new", "changed", "unchanged", "skipped", "failed")
    )
    assert len(site.asked_for(DETAIL)) == 1, "nine rows, one page"
    assert len(site.asked_for("/robots.txt")) >= 1
    before, seen = crawler.dump(), crawler.value("SELECT min(last_seen_at) FROM markets")
    site.log.clear()
    second = crawler.crawl()
    assert second.exit_code == 0
    assert {name: second.counts[name] for name in ("new", "changed", "failed", "vanished")} == dict.fromkeys(
        ("new", "changed", "failed", "vanished"), 0
    )
    assert crawler.dump() == before
    assert crawler.value("SELECT min(last_seen_at) FROM markets") > seen
    assert {status for target, _, status in site.log if target != "/robots.txt"} == {304}, "nothing is fetched twice"


def test_what_is_stored(crawler: Crawler) -> None:
    """Addresses in order, points where they can be, two-day markets, one market of two sources, the record."""
    run_id = str(uuid.uuid4())
    assert crawler.crawl("--run-id", run_id, "--trigger", "schedule").exit_code == 0
    assert crawler.value("SELECT count(*) FROM markets WHERE latitude IS NULL OR postal_code IS NULL") == 0
    sources = "SELECT count(*) FROM (SELECT market_id FROM market_sightings GROUP BY 1 HAVING count(*) = 2) AS shared"
    assert crawler.value(sources) > 50
    row = crawler.rows("SELECT * FROM markets WHERE name LIKE 'Lyngby%' ORDER BY start_date LIMIT 1")[0]
    assert "Klampenborgvej 215" in row
    two_days = "SELECT count(*) FROM markets WHERE name LIKE 'Lyngby%' AND end_date = start_date + 1"
    assert crawler.value(two_days) > 0
    assert crawler.value("SELECT count(*) FROM markets WHERE name LIKE '%蚤市场%' AND has_food") > 0
    assert crawler.value("SELECT count(*) FROM markets WHERE source_url LIKE 'http://127.%'") == 0
    rejected = crawler.rows("SELECT rejected_reason FROM geocodes WHERE provider = 'loppemarkeder'")
    assert rejected
    assert all("farther than 30 km" in reason for (reason,) in rejected)
    jutland = "SELECT count(*) FROM markets WHERE latitude = 56.4604 AND postal_code < '7'"
    assert crawler.value(jutland) == 0, "a rejected point is not used"
    record = crawler.rows(
        "SELECT id::text, state, trigger, seen > 0, done = seen, finished_at > started_at FROM crawl_runs"
    )
    assert record == [(run_id, "succeeded", "schedule", True, True, True)]
    states = crawler.rows("SELECT source, state, new > 0 FROM crawl_sources ORDER BY source")
    assert states == [("loppemarkeder", "succeeded", True), ("markedskalenderen", "succeeded", True)]
