"""Whole crawls: what is stored, that nothing changes the second time, and what ends a crawl early."""

import json
import re
import signal
import uuid
from datetime import timedelta

import pytest

from loppestars_core.kit.clock import today_in_denmark
from loppestars_crawler.cli import main
from loppestars_local.sample_site.server import SampleServer
from loppestars_local.sample_site.site import Answer, SampleSite
from tests.factories.crawls import Crawler, FaultySite, answer_on

DETAIL = "/marked/000-2100"


def check_what_is_stored(crawler: Crawler) -> None:
    """Addresses in order, points where they can be, long markets, one market of two sources, the record."""
    assert crawler.value("SELECT count(*) FROM markets WHERE latitude IS NULL OR postal_code IS NULL") == 0
    sources = "SELECT count(*) FROM (SELECT market_id FROM market_sightings GROUP BY 1 HAVING count(*) = 2) AS shared"
    assert crawler.value(sources) == 50
    where = "SELECT DISTINCT address, postal_code, city, municipality, has_food FROM markets WHERE name LIKE 'Nakskov%'"
    assert crawler.rows(where) == [("Østergade 18", "4900", "Nakskov", "Lolland", True)]
    assert crawler.value("SELECT count(*) FROM markets WHERE name LIKE 'Esbjerg%' AND end_date > start_date + 25") > 0
    assert crawler.value("SELECT count(*) FROM markets WHERE name LIKE '%蚤市场%'") > 0
    assert crawler.value("SELECT count(*) FROM markets WHERE source_url LIKE 'http://127.%'") == 0
    rejected = crawler.rows("SELECT rejected_reason FROM geocodes WHERE provider = 'loppemarkeder'")
    assert rejected
    assert all("farther than 30 km" in reason for (reason,) in rejected)
    jutland = "SELECT count(*) FROM markets WHERE latitude = 56.4604 AND postal_code < '7'"
    assert crawler.value(jutland) == 0, "a rejected point is not used"
    record = crawler.rows(
        "SELECT state, trigger, seen > 0, done = seen, expected = done, finished_at > started_at FROM crawl_runs"
    )
    assert record == [("succeeded", "schedule", True, True, True, True)]
    states = crawler.rows("SELECT source, state, new > 0 FROM crawl_sources ORDER BY source")
    assert states == [("loppemarkeder", "succeeded", True), ("markedskalenderen", "succeeded", True)]


class TestEnds:
    """What ends a run early, and what is kept then."""

    @pytest.mark.faults
    def test_a_second_crawl_at_once_is_superseded(self, crawler: Crawler, site: FaultySite) -> None:
        """Exit 3 and a record that says so; the first goes on. A lock is free again when its process is killed."""
        site.delay = 1.0
        with crawler.start() as first:
            crawler.when(first, lambda: len(site.log) > 0)
            other = crawler.crawl()
            assert other.exit_code == 3
            assert other.message["state"] == "superseded"
            assert first.poll() is None
            first.send(signal.SIGKILL)
            first.wait()
        site.delay = 0.0
        assert crawler.crawl("--limit", "1").exit_code == 0
        states = crawler.rows("SELECT state, error FROM crawl_runs ORDER BY created_at")
        assert [state for state, _ in states] == ["failed", "superseded", "succeeded"]
        assert "ended without a word" in states[0][1]

    @pytest.mark.faults
    def test_kill_9_half_way(self, crawler: Crawler, site: FaultySite) -> None:
        """What was stored stays, the next crawl completes it, and nothing is there twice."""
        site.delay = 0.03
        with crawler.start() as process:
            stored = "SELECT count(*) FROM markets"
            crawler.when(process, lambda: crawler.value(stored) > 20)
            process.send(signal.SIGKILL)
            process.wait()
        kept = crawler.value("SELECT count(*) FROM markets")
        assert kept > 20
        site.delay = 0.0
        again = crawler.crawl()
        assert again.exit_code == 0
        assert again.counts["unchanged"] >= kept - 1
        assert crawler.rows("SELECT DISTINCT state FROM crawl_sources ORDER BY 1") == [("failed",), ("succeeded",)]
        doubles = "SELECT count(*) - count(DISTINCT (name, start_date, end_date, postal_code)) FROM markets"
        assert crawler.value(doubles) == 0
        ids = (
            "SELECT count(*) - count(DISTINCT (source, external_id)) FROM market_sightings WHERE superseded_at IS NULL"
        )
        assert crawler.value(ids) == 0

    def test_sigterm_keeps_what_is_done(self, crawler: Crawler, site: FaultySite) -> None:
        """Exit 143, the run is cancelled with its counts, nothing is marked as vanished or as wrong."""
        site.delay = 0.1
        with crawler.start() as process:
            crawler.when(process, lambda: crawler.value("SELECT count(*) FROM markets") > 5)
            process.send(signal.SIGTERM)
            ended = crawler.finish(process)
        assert ended.exit_code == 143
        assert ended.message["state"] == "cancelled"
        assert ended.counts["new"] == crawler.value("SELECT count(*) FROM markets") > 5
        assert crawler.rows("SELECT state, new > 5 FROM crawl_runs") == [("cancelled", True)]
        assert crawler.value("SELECT count(*) FROM crawl_failed_items") == 0

    @pytest.mark.faults
    def test_ctrl_c(self, crawler: Crawler, site: FaultySite) -> None:
        """SIGINT is 130."""
        site.delay = 0.1
        with crawler.start() as process:
            crawler.when(process, lambda: len(site.log) > 4)
            process.send(signal.SIGINT)
            assert crawler.finish(process).exit_code == 130

    def test_a_wish_to_cancel_is_honoured(self, crawler: Crawler, site: FaultySite) -> None:
        """`cancel_requested_at` ends a crawl within seconds; a run cancelled before it starts fetches nothing."""
        site.delay = 0.1
        wish = "UPDATE crawl_runs SET cancel_requested_at = now() RETURNING 1"
        with crawler.start() as process:
            crawler.when(process, lambda: len(site.log) > 4)
            crawler.change(wish)
            ended = crawler.finish(process)
        assert (ended.exit_code, ended.message["message"]) == (143, "cancelled on request")
        run_id = str(uuid.uuid4())
        crawler.change(f"INSERT INTO crawl_runs (id, trigger, state) VALUES ('{run_id}', 'api', 'cancelled')")  # noqa: S608 - our own id
        site.log.clear()
        assert crawler.crawl("--run-id", run_id).exit_code == 143
        assert site.log == []

    @pytest.mark.faults
    def test_the_deadline_ends_a_crawl(self, crawler: Crawler, site: FaultySite) -> None:
        """It fails, with the reason, and keeps what it has."""
        site.delay = 1.0
        ended = crawler.crawl(DEADLINE_SECONDS="2")
        assert ended.exit_code == 1
        assert "DEADLINE_SECONDS" in ended.message["message"]

    def test_no_database(self, crawler: Crawler) -> None:
        """Exit 1 and a sentence that says what to check, without the password."""
        away = crawler.crawl(DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/nothing")
        assert away.exit_code == 1
        assert "check DATABASE_URL" in away.output
        assert "secret" not in away.output

    @pytest.mark.faults
    def test_the_database_goes_away(self, crawler: Crawler, site: FaultySite) -> None:
        """All connections die, and the lock with them: the crawl fails with a record, and the next one completes it."""
        site.delay = 0.05
        with crawler.start() as process:
            crawler.when(process, lambda: crawler.value("SELECT count(*) FROM markets") > 5)
            crawler.change(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            ended = crawler.finish(process)
        assert ended.exit_code == 1
        assert ended.message["state"] == "failed"
        assert crawler.rows("SELECT state FROM crawl_runs") == [("failed",)]
        site.delay = 0.0
        assert crawler.crawl().exit_code == 0


class TestUsage:
    """Wrong usage, and runs that are named by id."""

    def test_pending_and_finished_runs(self, crawler: Crawler) -> None:
        """`--run-id` is the API's pending row; a finished id is refused with a sentence."""
        run_id = str(uuid.uuid4())
        crawler.change(f"INSERT INTO crawl_runs (id, trigger, state) VALUES ('{run_id}', 'api', 'pending')")  # noqa: S608 - our own id
        assert crawler.crawl("--run-id", run_id, "--limit", "2").exit_code == 0
        assert crawler.rows("SELECT trigger, state, item_limit FROM crawl_runs") == [("api", "succeeded", 2)]
        again = crawler.crawl("--run-id", run_id)
        assert again.exit_code == 2
        assert "leave out --run-id" in again.output

    def test_a_run_of_an_unknown_source_is_closed(self, crawler: Crawler) -> None:
        """Whoever asked for it by the API reads it in the record, the operator in the termination message."""
        run_id = str(uuid.uuid4())
        crawler.change(f"INSERT INTO crawl_runs (id, trigger, state) VALUES ('{run_id}', 'api', 'pending')")  # noqa: S608 - our own id
        ended = crawler.crawl("--run-id", run_id, "--source", "torvet")
        reason = "unknown source torvet: known are markedskalenderen, loppemarkeder"
        assert (ended.exit_code, ended.output.strip()) == (2, reason)
        assert (ended.message["state"], ended.message["message"]) == ("failed", reason)
        assert crawler.rows("SELECT state, error FROM crawl_runs") == [("failed", reason)]
        assert crawler.crawl("--run-id", str(uuid.uuid4()), "--source", "torvet").exit_code == 2
        nowhere = crawler.crawl("--run-id", run_id, "--source", "torvet", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
        assert nowhere.exit_code == 2
        assert "left pending" in nowhere.output

    @pytest.mark.parametrize(
        ("arguments", "settings", "sentence"),
        [
            (("--source", "nowhere"), {}, "known are markedskalenderen, loppemarkeder"),
            (("--limit", "0"), {}, "greater than or equal to 1"),
            (("--limit", "3000000000"), {}, "less than or equal to 1000000"),
            (("--limit", "9" * 5000), {}, "--limit"),
            (("--run-id", "x"), {}, "valid UUID"),
            (("--unknown",), {}, "No such option"),
            ((), {"CRAWL_SOURCES": "nowhere"}, "CRAWL_SOURCES"),
            ((), {"LOPPEMARKEDER_URL": "ftp"}, "LOPPEMARKEDER_URL"),
            ((), {"CRAWL_DELAY_SECONDS": "nan"}, "CRAWL_DELAY_SECONDS"),
            ((), {"CRAWLER_CONTACT": "no address"}, "CRAWLER_CONTACT"),
            ((), {"GEOCODING_PROVIDER": "crystal-ball"}, "GEOCODING_PROVIDER"),
        ],
    )
    def test_wrong_usage(
        self,
        arguments: tuple[str, ...],
        settings: dict[str, str],
        sentence: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Exit 2 with what was wrong and what is allowed."""
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["loppestars-crawler", "crawl", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err


class TestMarkets:
    """What is stored, and when it changes."""

    def test_a_second_crawl_changes_nothing(self, crawler: Crawler, site: FaultySite) -> None:
        """Everything is stored, both sources of a market are one; crawled again, no row of any table differs."""
        first = crawler.crawl("--trigger", "schedule")
        assert first.exit_code == 0, first.output[-2000:]
        assert first.counts["new"] > 80
        assert first.counts["changed"] > 0
        assert first.counts["failed"] == 0
        assert first.counts["seen"] == sum(
            first.counts[name] for name in ("new", "changed", "unchanged", "skipped", "failed")
        )
        assert len(site.asked_for(DETAIL)) == 1, "nine rows, one page"
        assert len(site.asked_for("/robots.txt")) >= 1
        check_what_is_stored(crawler)
        before, seen = crawler.dump(), crawler.value("SELECT min(last_seen_at) FROM markets")
        site.log.clear()
        second = crawler.crawl()
        assert second.exit_code == 0
        assert {name: second.counts[name] for name in ("new", "changed", "failed", "vanished")} == dict.fromkeys(
            ("new", "changed", "failed", "vanished"), 0
        )
        assert crawler.dump() == before
        assert crawler.value("SELECT min(last_seen_at) FROM markets") > seen
        assert {status for target, _, status in site.log if target != "/robots.txt"} == {304}, (
            "nothing is fetched twice"
        )

    def test_unchanged_markets_are_one_write(self, crawler: Crawler) -> None:
        """A crawl that finds nothing new writes each batch of markets in one statement: one transaction wrote all."""
        only = ("--source", "loppemarkeder")
        assert crawler.crawl(*only).exit_code == 0
        assert crawler.crawl(*only).counts["new"] == 0
        writers = "SELECT count(DISTINCT xmin::text), count(*) FROM markets"
        [(transactions, markets)] = crawler.rows(writers)
        assert markets > 50
        # A batch waits for a second at most: there are more of them where the machine is busy.
        assert transactions <= markets / 5

    def test_coverage_is_recorded(self, crawler: Crawler, site: FaultySite) -> None:
        """Pages that say nothing any more empty nothing, and the record warns."""
        only = ("--source", "markedskalenderen")
        assert crawler.crawl(*only).exit_code == 0
        known = crawler.rows("SELECT id, address, city, postal_code, entry_fee FROM markets ORDER BY id")
        site.faults.append(lambda target, _: Answer(404) if re.match(r"/marked/\d", target) else None)
        assert crawler.crawl(*only).exit_code == 0
        assert crawler.rows("SELECT id, address, city, postal_code, entry_fee FROM markets ORDER BY id") == known
        record = "SELECT state, coverage->>'listed', coverage->>'address', warnings FROM crawl_sources ORDER BY id"
        first, second = crawler.rows(record)
        assert int(first[2]) > 0
        assert first[3] == []
        assert second[0] == "succeeded"
        assert any(warning.startswith("address: said of 0%") for warning in second[3])

    def test_ids_that_change(self, crawler: Crawler, site: FaultySite) -> None:
        """The same name, days and place under another id is the same market."""
        only = ("--source", "loppemarkeder")
        assert crawler.crawl(*only).exit_code == 0
        markets = crawler.rows("SELECT id FROM markets ORDER BY id")

        def renumbered(target: str, _: int) -> Answer | None:
            answer = site.site.respond(target, {})
            page = json.loads(answer.body) if "/events" in target and answer.status == 200 else {}
            for event in page.get("events", []):
                event["id"] = f"new-{event['id']}"
            return Answer(200, json.dumps(page).encode(), {"Content-Type": "application/json"}) if page else None

        site.faults.append(renumbered)
        again = crawler.crawl(*only)
        assert (again.exit_code, again.counts["new"]) == (0, 0)
        assert crawler.rows("SELECT id FROM markets ORDER BY id") == markets

    def test_limit_and_source(self, crawler: Crawler, site: FaultySite) -> None:
        """At most N markets of the named source, and no judgement of what else is or is not listed."""
        ended = crawler.crawl("--source", "loppemarkeder", "--limit", "5")
        assert ended.exit_code == 0
        assert ended.counts["new"] == crawler.value("SELECT count(*) FROM markets") == 5
        assert site.asked_for("/marked/") == []
        assert crawler.crawl().exit_code == 0, "a limited crawl is no measure for the next"

    def test_a_dry_run_stores_no_market(self, crawler: Crawler) -> None:
        """It counts like a real one, and leaves only its record."""
        ended = crawler.crawl("--dry-run", "--source", "loppemarkeder")
        assert ended.exit_code == 0
        assert ended.counts["new"] > 50
        assert crawler.dump() == {table: [] for table in crawler.dump()}
        assert crawler.rows("SELECT state, dry_run FROM crawl_runs") == [("succeeded", True)]

    @pytest.mark.faults
    def test_a_copy_below_a_path(self, crawler: Crawler, site: FaultySite) -> None:
        """Nothing is asked for outside of it but robots.txt, and what is stored names the real site."""
        copy = FaultySite(site.site)

        def below(target: str, asked: int) -> Answer:
            if target == "/robots.txt":
                return Answer(404)
            return site.respond(target.removeprefix("/kopi"), {}) if target.startswith("/kopi/") else Answer(500)

        copy.faults.append(below)
        with SampleServer(copy) as server:
            url = f"{server.url}/kopi"
            ended = crawler.crawl("--limit", "12", MARKEDSKALENDEREN_URL=url, LOPPEMARKEDER_URL=f"{url}/")
        assert ended.exit_code == 0, ended.output[-2000:]
        assert ended.counts["new"] + ended.counts["changed"] == 24
        assert {target for target, _, status in copy.log if status != 200} == {"/robots.txt"}
        assert crawler.value("SELECT count(*) FROM markets WHERE source_url LIKE 'http://127.%'") == 0
        pages = crawler.value(
            "SELECT count(*) FROM markets WHERE source_url LIKE 'https://markedskalenderen.dk/marked/%'"
        )
        assert pages > 0

    @pytest.mark.faults
    def test_vanished_and_back(self, crawler: Crawler, site: FaultySite) -> None:
        """Gone after two successful crawls, never deleted, back under its id; a running market does not vanish."""
        only = ("--source", "loppemarkeder")
        # The crawl decides by today's date what is still to come.
        today = today_in_denmark()
        site.site = SampleSite(lambda: today)
        assert crawler.crawl(*only).exit_code == 0
        page = json.loads(site.site.respond("/wp-json/tribe/events/v1/events?per_page=100", {}).body)
        future = [event for event in page["events"] if event["start_date"] > str(today + timedelta(days=1))]
        gone = future[-1]["id"]
        page["events"] = [event for event in page["events"] if event["id"] != gone]
        without = answer_on(
            "/events?per_page=100", Answer(200, json.dumps(page).encode(), {"Content-Type": "application/json"})
        )
        site.faults.append(without)
        joined = "markets m JOIN market_sightings s ON s.market_id = m.id"
        state = f"SELECT m.state FROM {joined} WHERE s.external_id = '{gone}'"  # noqa: S608 - our own id
        for vanished, expected in ((0, "scheduled"), (1, "vanished")):
            ended = crawler.crawl(*only)
            assert (ended.exit_code, ended.counts["vanished"], crawler.value(state)) == (0, vanished, expected)
        site.faults.clear()
        assert crawler.crawl(*only).counts["changed"] == 1
        assert crawler.value(state) == "scheduled"
