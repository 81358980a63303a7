"""Many sources in one run: side by side, each for itself, and only once."""

import json
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from loppestars_core.kit.clock import today_in_denmark
from loppestars_local.sample_site.server import SampleServer
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import Crawler, FaultySite

STATES = "SELECT source, state FROM crawl_sources ORDER BY source"


def event_page(*names: str, **changes: Any) -> Answer:
    """A page with an event in JSON-LD for each name."""
    day = str(today_in_denmark() + timedelta(days=30))
    events = [
        {
            "@context": "https://schema.org",
            "@type": "Event",
            "name": name,
            "startDate": day,
            "location": "Torvet, 4900 Nakskov",
        }
        | changes
        for name in names
    ]
    body = f'<html><script type="application/ld+json">{json.dumps(events)}</script></html>'
    return Answer(200, body.encode(), {"Content-Type": "text/html; charset=utf-8"})


class Sites:
    """Sites of one page each, on hosts of their own."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.stack = ExitStack()
        self.sites = {name: FaultySite() for name in names}
        self.servers = {name: self.stack.enter_context(SampleServer(site)) for name, site in self.sites.items()}
        for name, site in self.sites.items():
            self.answer(name, event_page(f"Loppemarked {name}"))
            site.site = None  # type: ignore[assignment]  # nothing else is asked for

    def answer(self, name: str, page: Answer) -> None:
        """Answer with a page from now on."""
        self.sites[name].faults[:] = [
            lambda target, _: Answer(404, b"") if target == "/robots.txt" else page,
        ]

    def settings(self, **more: dict[str, Any]) -> str:
        """MORE_SOURCES."""
        return json.dumps(
            [
                {"name": name, "type": "jsonld", "startUrls": [f"{server.url}/"], **more.get(name, {})}
                for name, server in self.servers.items()
            ]
        )


@pytest.fixture
def sites(crawler: Crawler) -> Iterator[Sites]:
    """Three sources, and crawls of them."""
    sites = Sites(("arden", "bogense", "come"))
    crawler.settings = {"MORE_SOURCES": sites.settings(), "CRAWL_SOURCES": ""}
    with sites.stack:
        yield sites


class TestSideBySide:
    """Hosts do not wait for each other."""

    def test_a_slow_source(self, crawler: Crawler, sites: Sites) -> None:
        """The others are done while it is still being read; at the end of its time it fails alone."""
        sites.sites["arden"].delay = 8.0
        ended = crawler.crawl(PARALLEL_SOURCES="2", MAX_SOURCE_SECONDS="2", DOWNLOAD_TIMEOUT="60")
        assert ended.exit_code == 1
        assert crawler.rows(STATES) == [("arden", "failed"), ("bogense", "succeeded"), ("come", "succeeded")]
        assert "MAX_SOURCE_SECONDS" in crawler.value("SELECT error FROM crawl_sources WHERE source = 'arden'")
        assert crawler.value("SELECT count(*) FROM markets") == 2
        log = crawler.rows("SELECT kind, source FROM crawl_events ORDER BY id")
        assert log[0] == ("run_started", None)
        assert log[-1] == ("run_finished", None)
        assert sorted(source for kind, source in log if kind == "source_finished") == ["arden", "bogense", "come"]

    def test_a_source_that_fails_is_tried_again_alone(self, crawler: Crawler, sites: Sites) -> None:
        """`runs retry` takes what failed; what succeeded is not asked for again."""
        sites.answer("bogense", Answer(500, b""))
        assert crawler.crawl(RETRY_TIMES="0").exit_code == 1
        failed = str(crawler.value("SELECT id FROM crawl_runs"))
        sites.answer("bogense", event_page("Loppemarked bogense"))
        for site in sites.sites.values():
            site.log.clear()
        ended = crawler.crawl("retry", failed, command=("runs",))
        assert (ended.exit_code, ended.counts["new"]) == (0, 1), ended.output
        assert [name for name, site in sites.sites.items() if site.log] == ["bogense"]
        assert crawler.crawl("retry", failed[:-1] + "x", command=("runs",)).exit_code == 2


class TestResume:
    """A process may be killed at any time."""

    def test_kill_9(self, crawler: Crawler, sites: Sites) -> None:
        """The same run goes on with what it had not finished, also when its record was closed meanwhile."""
        sites.sites["come"].delay = 8.0
        run = str(uuid.uuid4())
        with crawler.start("--run-id", run) as process:
            done = "SELECT count(*) FROM crawl_sources WHERE state = 'succeeded'"
            crawler.when(process, lambda: crawler.value(done) == 2)
            process.send(signal.SIGKILL)
            process.wait()
        crawler.change(
            "UPDATE crawl_runs SET state = 'failed', finished_at = now(), error ="
            " 'its process ended without a word; what it had stored is kept'"
        )
        for site in sites.sites.values():
            site.delay = 0.0
            site.log.clear()
        ended = crawler.crawl("--run-id", run)
        assert (ended.exit_code, ended.counts["new"]) == (0, 3), ended.output
        assert [name for name, site in sites.sites.items() if site.log] == ["come"]
        assert crawler.rows("SELECT state, new FROM crawl_runs") == [("succeeded", 3)]
        kinds = [row[0] for row in crawler.rows("SELECT kind FROM crawl_events WHERE source IS NULL ORDER BY id")]
        assert kinds == ["run_started", "run_resumed", "run_finished"]


class TestRows:
    """Sources are rows: of the settings, and of admins."""

    def test_admins(self, crawler: Crawler, sites: Sites) -> None:
        """One that is added is crawled, one that is switched off is not, and settings do not undo it."""
        sources = ("sources",)
        address = f"{sites.servers['come'].url}/mere"
        assert (
            crawler.crawl("set", "dragor", "--url", address, "--schedule", "0 3 * * *", command=sources).exit_code == 0
        )
        assert crawler.crawl("disable", "arden", command=sources).exit_code == 0
        assert crawler.crawl("--dry-run").exit_code == 0
        assert [row[0] for row in crawler.rows(STATES)] == ["bogense", "come", "dragor"]
        rows = json.loads(crawler.crawl("--json", command=sources).output)
        assert {row["source"]: (row["enabled"], row["health"]) for row in rows}["arden"] == (False, "unknown")
        assert crawler.crawl("remove", "arden", command=sources).exit_code == 0
        assert crawler.crawl("remove", "arden", command=sources).exit_code == 1
        assert crawler.crawl("set", "x", "--url", "https://a.dk", "--schedule", "daily", command=sources).exit_code == 2

    def test_schedules(self, crawler: Crawler, sites: Sites) -> None:
        """A scheduled run takes what is due; what is asked for by name is always taken."""
        yearly = {"schedule": "0 3 1 1 *"}
        more = sites.settings(arden=yearly)
        assert crawler.crawl("--trigger", "schedule", MORE_SOURCES=more).counts["new"] == 3
        assert crawler.crawl("--trigger", "schedule", MORE_SOURCES=more).counts["unchanged"] == 2
        assert crawler.crawl("--source", "arden", MORE_SOURCES=more).counts["unchanged"] == 1

    def test_json(self, crawler: Crawler, sites: Sites) -> None:
        """The report is all that is on stdout."""
        ended = crawler.crawl("--json", "--source", "come", LOG_LEVEL="ERROR")
        report = json.loads(ended.output)
        assert (report["state"], report["sources"]["come"]["new"]) == ("succeeded", 1)
        assert sites.sites["come"].log


class TestQuarantine:
    """What is not believed waits for an admin."""

    def test_release(self, crawler: Crawler, sites: Sites) -> None:
        """It is not listed before; then it is stored at once, and stays believed in later crawls."""
        sites.answer("come", event_page("Fremtidens loppemarked", startDate="2099-01-01"))
        only = ("--source", "come")
        assert crawler.crawl(*only).counts["skipped"] == 1
        assert crawler.value("SELECT count(*) FROM markets") == 0
        [row] = json.loads(crawler.crawl("--json", command=("quarantine",)).output)
        assert row["reason"].startswith("it begins on 2099-01-01")
        assert crawler.crawl("release", str(row["id"]), command=("quarantine",)).exit_code == 0
        assert crawler.value("SELECT name FROM markets") == "Fremtidens loppemarked"
        assert crawler.crawl(*only).counts["unchanged"] == 1
        assert crawler.rows("SELECT quarantined FROM crawl_sources ORDER BY id") == [(1,), (0,)]
        assert crawler.crawl("release", str(row["id"]), command=("quarantine",)).exit_code == 1
