"""Manners and faults: what a crawl does when a site is down, slow, changed, hostile, or asks to be left alone."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loppestars_crawler.fetching.retrying import seconds_to_wait
from loppestars_local.sample_site.server import SampleServer
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import Crawler, FaultySite, answer_on

LIST = "/marked/kategori/loppemarked"
EVENTS = "/events?per_page=100"
EVENTS_PATH = "/wp-json/tribe/events/v1/events?per_page=100"
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
DOWN = Answer(503, b"down", {})
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


HOSTILE_LISTS = {
    "empty": Answer(200, b"", HTML),
    "broken": Answer(200, b"<table><tr><td><a href='/x'>A<td>B<td><td>\xff\xfe<td><td>01-12-2026<tr><td" * 50, HTML),
    "deep": Answer(200, b"<table>" + b"<tr><td>" * 20_000, HTML),
    "no table": Answer(200, b"<h1>Moved</h1>", HTML),
    "binary": Answer(200, bytes(range(256)) * 40, {"Content-Type": "application/octet-stream"}),
    "huge": Answer(200, b"<table>" + b"<tr><td>x" * 3_000_000, HTML),
    "endless": Answer(200, f'<table></table><a href="{LIST}">&raquo;</a>'.encode(), HTML),
}
HOSTILE_EVENTS = {
    "not JSON": Answer(200, b"<b>Warning</b>: PHP", JSON),
    "wrong JSON": Answer(200, b"[1, 2]", JSON),
    "deep JSON": Answer(200, b'{"events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON),
    "nulls": Answer(200, b'{"events": [null, null], "next_rest_url": null, "total": null}', JSON),
    "wrong types": Answer(200, b'{"events": {"a": 1}, "next_rest_url": 5, "total": "x"}', JSON),
    "truncated": Answer(200, b'{"events": [{"id": 1, "title": "x', JSON),
    "huge numbers": Answer(
        200,
        b'{"events": [{"id": 1e999, "title": 1e308}, {"id": 99999999999999999999999, "title": "A\\u0000\\ud800B", '
        b'"start_date": "2026-12-05 10:00", "venue": {"geo_lat": 1e400, "geo_lng": -1e400}, "cost": "9999999999"}]}',
        JSON,
    ),
    "endless": Answer(200, json.dumps({"events": [], "next_rest_url": EVENTS_PATH}).encode(), JSON),
}


@pytest.fixture
def untrusted_url(tmp_path: Path) -> Iterator[str]:
    """A server on loopback whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with SampleServer(FaultySite()) as plain:
        server = plain.server
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield f"https://localhost:{server.server_address[1]}"


class TestFaults:
    """Sites that are ill."""

    @pytest.mark.faults
    def test_a_page_that_is_down_takes_nothing_away(self, crawler: Crawler, site: FaultySite) -> None:
        """When a market's page cannot be had for once, its address stays what it was."""
        only = ("--source", "markedskalenderen")
        assert crawler.crawl(*only).exit_code == 0
        before = crawler.dump()
        site.faults.append(answer_on("/marked/000-2100", DOWN))
        ended = crawler.crawl(*only)
        assert (ended.exit_code, ended.counts["changed"]) == (0, 0)
        assert crawler.dump() == before

    @pytest.mark.faults
    def test_shrunk_lists_are_not_believed(self, crawler: Crawler, site: FaultySite) -> None:
        """The run fails and nothing vanishes, however often; `--accept-shrink` says that it is right."""
        only = ("--source", "loppemarkeder")
        assert crawler.crawl(*only).exit_code == 0
        page = json.loads(site.site.respond(EVENTS_PATH, {}).body)
        page["events"] = page["events"][:20]
        site.faults.append(answer_on(EVENTS, Answer(200, json.dumps(page).encode(), JSON)))
        for _ in range(2):
            ended = crawler.crawl(*only)
            assert ended.exit_code == 1
            assert "less than half" in ended.message["message"]
            assert ended.counts["vanished"] == 0
        assert crawler.value("SELECT count(*) FROM market_sightings WHERE missed_crawls > 0") == 0
        assert crawler.crawl(*only, "--accept-shrink").exit_code == 0
        assert crawler.value("SELECT count(*) FROM market_sightings WHERE missed_crawls = 1") > 20

    @pytest.mark.faults
    def test_hostile_pages_never_crash_a_run(self, crawler: Crawler, site: FaultySite) -> None:
        """Whatever a site answers, the run ends by itself with a record, exit 0 or 1, and no bad row."""
        for calendar, events in zip(HOSTILE_LISTS, [*HOSTILE_EVENTS], strict=False):
            site.faults[:] = [answer_on(LIST, HOSTILE_LISTS[calendar]), answer_on(EVENTS, HOSTILE_EVENTS[events])]
            site.log.clear()
            ended = crawler.crawl(MAX_PAGE_BYTES="1000000", RETRY_TIMES="0", LOG_LEVEL="ERROR")
            assert ended.exit_code in {0, 1}, (calendar, events, ended.output[-3000:])
            assert "Traceback" not in ended.output, (calendar, events, ended.output[-3000:])
            assert len(site.log) < 10, "a loop is noticed"
        unfinished = "SELECT count(*) FROM crawl_runs WHERE state NOT IN ('succeeded', 'failed')"
        assert crawler.value(unfinished) == 0
        site.faults.clear()
        assert crawler.crawl("--accept-shrink").exit_code == 0, "afterwards all is well"

    def test_failed_items_have_a_snippet(self, crawler: Crawler, site: FaultySite) -> None:
        """Counted, in the record, with a piece of the page."""
        page = site.site.respond(LIST, {}).body.replace(b"<td>22-11-2026</td>", b"<td>31-02-2026</td>", 1)
        site.faults.append(answer_on(LIST, Answer(200, page, HTML)))
        ended = crawler.crawl("--source", "markedskalenderen")
        assert (ended.exit_code, ended.counts["failed"], ended.counts["skipped"]) == (0, 1, 1)
        [(reason, snippet)] = crawler.rows("SELECT reason, snippet FROM crawl_failed_items")
        assert reason == "31-02-2026 is not a day of the calendar"
        assert "<td>31-02-2026</td>" in snippet


class TestManners:
    """What a site is asked, and how often."""

    def test_who_asks_and_how(self, crawler: Crawler, site: FaultySite) -> None:
        """robots.txt comes first, the user agent names us and a contact, and one request waits for the other."""
        assert crawler.crawl("--limit", "3", CRAWLER_CONTACT="https://example.org/crawler").exit_code == 0
        assert site.log[0][0] == "/robots.txt"
        agents = {headers["user-agent"] for _, headers, _ in site.log}
        assert len(agents) == 1
        agent = agents.pop()
        assert agent.startswith("LoppestarsCrawler/")
        assert agent.endswith("(+https://example.org/crawler)")
        assert site.most_at_once == 1

    @pytest.mark.faults
    def test_requests_keep_their_distance(self, crawler: Crawler, site: FaultySite) -> None:
        """The delay is the least time between two requests; a busy machine may note their arrival late."""
        assert crawler.crawl("--source", "markedskalenderen", "--limit", "4", CRAWL_DELAY_SECONDS="0.3").exit_code == 0
        moments = [moment for _, moment in site.moments]
        assert len(moments) >= 3
        assert moments[-1] - moments[0] > 0.3 * (len(moments) - 1) - 0.15

    def test_robots_txt_is_obeyed(self, crawler: Crawler, site: FaultySite) -> None:
        """A forbidden list fails its source; a forbidden market's page costs its rows only the details."""
        rules = b"User-agent: *\nDisallow: /wp-json/\nDisallow: /marked/000-2100\n"
        site.faults.append(answer_on("/robots.txt", Answer(200, rules, {"Content-Type": "text/plain"})))
        ended = crawler.crawl()
        assert ended.exit_code == 1
        assert (
            "loppemarkeder: a page of its list could not be fetched: IgnoreRequest: Forbidden by robots.txt"
            in (ended.message["message"])
        )
        assert site.asked_for("/wp-json/") == []
        assert site.asked_for("/marked/000-2100") == []
        assert crawler.value("SELECT count(*) FROM markets WHERE name LIKE 'Remisen%' AND address IS NULL") == 9

    def test_robots_txt_that_is_down(self, crawler: Crawler, site: FaultySite) -> None:
        """Nothing is fetched from a site that does not say what it allows (RFC 9309)."""
        site.faults.append(answer_on("/robots.txt", DOWN))
        ended = crawler.crawl("--source", "loppemarkeder", RETRY_TIMES="0")
        assert ended.exit_code == 1
        assert "robots.txt answers HTTP 503" in ended.message["message"]
        assert {target for target, _, _ in site.log} == {"/robots.txt"}

    def test_crawl_delay(self, crawler: Crawler, site: FaultySite) -> None:
        """The pause that robots.txt asks for is kept; one that is longer than a crawl can wait ends it."""
        rules = b"User-agent: *\nCrawl-delay: 1\n"
        site.faults[:] = [answer_on("/robots.txt", Answer(200, rules, {"Content-Type": "text/plain"}))]
        assert crawler.crawl("--source", "markedskalenderen", "--limit", "1").exit_code == 0
        moments = [moment for _, moment in site.moments]
        assert moments[2] - moments[1] >= 0.9
        rules = b"User-agent: *\nCrawl-delay: 3600\n"
        site.faults[:] = [answer_on("/robots.txt", Answer(200, rules, {"Content-Type": "text/plain"}))]
        ended = crawler.crawl("--source", "markedskalenderen")
        assert ended.exit_code == 1
        assert "asks for 3600 s between requests" in ended.message["message"]

    def test_a_list_without_end(self, crawler: Crawler, site: FaultySite) -> None:
        """It ends at the first page that brings nothing new."""
        page = site.site.respond(EVENTS_PATH, {})

        def endless(target: str, _: int) -> Answer | None:
            if "/events" not in target:
                return None
            events = json.loads(page.body)
            number = len(site.asked_for("/events")) + 2
            events["next_rest_url"] = f"https://loppemarkeder.nu{EVENTS_PATH}&page={number}"
            return Answer(200, json.dumps(events).encode(), JSON)

        site.faults.append(endless)
        ended = crawler.crawl("--source", "loppemarkeder")
        assert ended.exit_code == 0
        assert len(site.asked_for("/events")) == 2
        assert "list_repeats_itself" in ended.output

    @pytest.mark.faults
    def test_a_source_that_is_down_fails_only_itself(self, crawler: Crawler, site: FaultySite) -> None:
        """Tried four times, then exit 1; its old markets stay as they are and the other source is crawled."""
        assert crawler.crawl().exit_code == 0
        before = crawler.dump()
        site.log.clear()
        site.faults.append(answer_on(EVENTS, DOWN))
        for _ in range(3):
            ended = crawler.crawl()
            assert ended.exit_code == 1
            assert "loppemarkeder: a page of its list could not be fetched: HTTP 503" in ended.message["message"]
        assert len(site.asked_for(EVENTS)) == 3 * 4
        assert crawler.dump() == before
        states = crawler.rows("SELECT source, state FROM crawl_sources ORDER BY id DESC LIMIT 2")
        assert sorted(states) == [("loppemarkeder", "failed"), ("markedskalenderen", "succeeded")]

    @pytest.mark.faults
    def test_retry_after_is_kept(self, crawler: Crawler, site: FaultySite) -> None:
        """A site that asks for a second gets it; one that asks for an hour is left alone at once."""
        busy = Answer(429, b"", {"Retry-After": "1"})
        real = site.site.respond(EVENTS_PATH, {})
        site.faults.append(answer_on(EVENTS, busy, real))
        assert crawler.crawl("--source", "loppemarkeder").exit_code == 0
        first, second = [moment for target, moment in site.moments if EVENTS in target][:2]
        assert second - first >= 1.0
        site.faults[:] = [answer_on(EVENTS, Answer(503, b"", {"Retry-After": "3600"}))]
        site.log.clear()
        ended = crawler.crawl("--source", "loppemarkeder")
        assert ended.exit_code == 1
        assert "to be asked again in 3600 s" in ended.message["message"]
        assert len(site.asked_for(EVENTS)) == 1

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_missing_page_is_final(self, crawler: Crawler, site: FaultySite, status: int) -> None:
        """Not asked for twice: a list that is gone fails its source, a market's page costs only its details."""
        site.faults += [answer_on(EVENTS, Answer(status, b"")), answer_on("/marked/000-2100", Answer(status, b""))]
        ended = crawler.crawl()
        assert ended.exit_code == 1
        assert f"HTTP {status}" in ended.message["message"]
        assert len(site.asked_for(EVENTS)) == len(site.asked_for("/marked/000-2100")) == 1
        assert crawler.value("SELECT count(*) FROM markets WHERE name LIKE 'Remisen%'") == 9

    def test_other_hosts_are_not_fetched(self, crawler: Crawler, site: FaultySite) -> None:
        """A next page on another host fails the source; a redirect to one is not followed."""
        elsewhere = b'"next_rest_url": "https://example.org/x", "total":'
        page = site.site.respond(EVENTS_PATH, {}).body.replace(b'"total":', elsewhere)
        site.faults += [
            answer_on(EVENTS, Answer(200, page, JSON)),
            answer_on("/marked/000-2100", Answer(302, b"", {"Location": "https://example.org/marked"})),
            answer_on(
                "/marked/004-2000",
                Answer(301, b"", {"Location": "https://www.markedskalenderen.dk/marked/008-2840"}),
            ),
        ]
        ended = crawler.crawl()
        assert ended.exit_code == 1
        assert "the list goes on at https://example.org/x" in ended.message["message"]
        assert "OffSite" in ended.output
        assert len(site.asked_for("/marked/008-2840")) >= 1, "a redirect to the real host is followed on the copy"

    def test_certificates_are_verified(self, crawler: Crawler, untrusted_url: str) -> None:
        """A site that cannot prove who it is is not crawled."""
        ended = crawler.crawl("--source", "loppemarkeder", LOPPEMARKEDER_URL=untrusted_url, RETRY_TIMES="0")
        assert ended.exit_code == 1
        assert "certificate verify failed" in ended.message["message"]
        assert crawler.value("SELECT count(*) FROM markets") == 0

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            (b"5", 5.0),
            (b"Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
            (b"Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
            (b"soon", None),
            (b"", None),
            (None, None),
            (b"-1", None),
            (b"Sat, 21 Nov 2026 12:00:30 +99999999999999999999", None),
        ],
    )
    def test_retry_after_as_number_and_as_date(self, header: bytes | None, seconds: float | None) -> None:
        """RFC 9110 allows both; nonsense is no wish."""
        assert seconds_to_wait(header, NOW) == seconds
