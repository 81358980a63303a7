"""Sites, disks and databases that misbehave: each has its outcome in the record, and nothing that is stored is lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from loppestars_core.database.migrate import migrate, migration_engine
from loppestars_core.kit.clock import today_in_denmark
from loppestars_local.postgres import EmbeddedPostgres
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import Crawler, FaultySite, answer_on

HTML = {"Content-Type": "text/html; charset=utf-8"}
PATH = "/marked/kategori/loppemarked"
CALENDAR = ("--source", "markedskalenderen")


def calendar(days: list[date], *, link: str, more: str = "") -> Answer:
    """A page of the calendar: a header, and a row for each day, all with one link."""
    rows = "".join(
        f'<tr><td><a href="{link}">Remisen Loppemarked</a></td><td>København Loppemarked</td>'
        "<td></td><td></td><td></td>"
        f"<td>{day:%d-%m-%Y}</td></tr>"
        for day in days
    )
    head = "<tr><td>Navn</td><td>Kommune</td><td></td><td>Faciliteter</td><td></td><td>Dato</td></tr>"
    return Answer(200, f"<html><body><table>{head}{rows}</table>{more}</body></html>".encode(), HTML)


@contextmanager
def dripping() -> Iterator[str]:
    """A site that sends a byte now and then, without an end."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with closing(connection):
            asked = connection.recv(4096)
            if asked.startswith(b"GET /robots.txt"):
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)


class TestRows:
    """Pages as the real calendar has them."""

    def test_101_and_9_rows(self, crawler: Crawler, site: FaultySite) -> None:
        """101 rows with the header, then 9: every dated row is stored, and their one page is fetched once."""
        first = today_in_denmark() + timedelta(days=7)
        days = [first + timedelta(days=number) for number in range(109)]
        more = f'<a href="{PATH}?page=2">»</a>'
        site.faults += [
            answer_on("?page=2", calendar(days[100:], link="/marked/000-2100")),
            answer_on(PATH, calendar(days[:100], link="/marked/000-2100", more=more)),
        ]
        ended = crawler.crawl(*CALENDAR)
        assert (ended.exit_code, ended.counts["new"], ended.counts["failed"]) == (0, 109, 0), ended.output[-2000:]
        assert len(site.asked_for("/marked/000-2100")) == 1
        assert crawler.value("SELECT count(DISTINCT start_date) FROM markets WHERE address LIKE '%132'") == 109


class TestStoring:
    """What is being stored when something ends."""

    def test_a_batch_that_is_being_stored_when_its_source_ends(self, crawler: Crawler) -> None:
        """It is stored: every market that is counted is there, and every one that the pages list is counted."""
        crawler.change(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END $$"
        )
        crawler.change(
            "CREATE TRIGGER slow AFTER INSERT ON market_sightings FOR EACH STATEMENT EXECUTE FUNCTION slow()"
        )
        ended = crawler.crawl("--source", "loppemarkeder")
        assert ended.exit_code == 0
        counted = sum(ended.counts[name] for name in ("new", "changed", "unchanged"))
        assert counted == crawler.value("SELECT count(*) FROM market_sightings") > 50
        crawler.change("DROP TRIGGER slow ON market_sightings")
        assert crawler.crawl("--source", "loppemarkeder").counts["new"] == 0

    def test_a_full_disk(self, crawler: Crawler, site: FaultySite) -> None:
        """The run fails with the reason, what was stored stays, and the next crawl completes it."""
        site.delay = 0.02
        crawler.change(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN IF (SELECT count(*) FROM markets) > 20 THEN"
            " RAISE SQLSTATE '53100' USING MESSAGE = 'could not extend file: No space left on device';"
            " END IF; RETURN NULL; END $$"
        )
        crawler.change(
            "CREATE TRIGGER no_room AFTER INSERT ON crawled_pages FOR EACH STATEMENT EXECUTE FUNCTION no_room()"
        )
        ended = crawler.crawl()
        assert ended.exit_code == 1
        [(state, error)] = crawler.rows("SELECT state, error FROM crawl_runs")
        assert (state, "No space left on device" in error, "INSERT" in error) == ("failed", True, False), error
        kept = crawler.value("SELECT count(*) FROM markets")
        assert kept > 20
        crawler.change("DROP TRIGGER no_room ON crawled_pages")
        site.delay = 0.0
        again = crawler.crawl()
        assert again.exit_code == 0
        assert crawler.value("SELECT count(*) FROM markets") >= kept
        doubles = "SELECT count(*) - count(DISTINCT (name, start_date, end_date, postal_code)) FROM markets"
        assert crawler.value(doubles) == 0


class TestSites:
    """A site that never ends."""

    def test_a_slow_drip(self, crawler: Crawler) -> None:
        """The time-out ends the page, not the run of the others; the record says which source."""
        with dripping() as url:
            ended = crawler.crawl(MARKEDSKALENDEREN_URL=url, DOWNLOAD_TIMEOUT="1", RETRY_TIMES="0")
        assert ended.exit_code == 1
        rows = crawler.rows("SELECT source, state FROM crawl_sources ORDER BY source")
        assert rows == [("loppemarkeder", "succeeded"), ("markedskalenderen", "failed")]
        assert "could not be fetched" in crawler.value("SELECT error FROM crawl_sources WHERE state = 'failed'")


@pytest.mark.faults
class TestRestart:
    """PostgreSQL itself, restarted in the middle."""

    def test_postgresql_restarts(self, site: FaultySite, crawler: Crawler, tmp_path: Path) -> None:
        """The crawl ends with a record of why, once the server is back; nothing is lost, and the next completes it."""
        server = EmbeddedPostgres(tmp_path / "data", {"fsync": "off"})
        server.start()
        try:
            server.ensure_database("crawl")
            crawler.database_url = server.owner_url("crawl")
            migrated(crawler.database_url)
            site.delay = 0.05
            with crawler.start() as process:
                crawler.when(process, lambda: crawler.value("SELECT count(*) FROM markets") > 5)
                server.stop()
                server.start()
                ended = crawler.finish(process)
            assert ended.exit_code == 1
            assert crawler.rows("SELECT state FROM crawl_runs") == [("failed",)]
            kept = crawler.value("SELECT count(*) FROM markets")
            site.delay = 0.0
            again = crawler.crawl()
            assert (again.exit_code, kept > 5) == (0, True)
        finally:
            server.stop()


def migrated(url: str) -> None:
    """Bring a database up to date."""
    engine = migration_engine(url)
    with engine.connect() as connection:
        migrate(connection)
    engine.dispose()
