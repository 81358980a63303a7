"""Sources that mean harm: each fails alone with its reason, and the others of the run have their turn."""

import gzip
import json
from datetime import timedelta

from loppestars_core.kit.clock import today_in_denmark
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import Crawler, FaultySite

DAY = today_in_denmark() + timedelta(days=30)
HTML = {"Content-Type": "text/html; charset=utf-8"}
HONEST = json.dumps({"@type": "Event", "name": "Byens\x00 loppe\u202emarked", "startDate": str(DAY)})
DEEP = '{"@type": "Event", "name": "x", "about": ' + "[" * 10_000 + "]" * 10_000 + "}"
PACKED = {**HTML, "Content-Encoding": "gzip"}
HOSTILE = {
    "/honest": (Answer(200, f'<script type="application/ld+json">{HONEST}</script>'.encode(), HTML), None),
    "/deep": (
        Answer(200, f'<script type="application/ld+json">{DEEP}</script>'.encode(), HTML),
        "nested too deeply",
    ),
    "/bomb": (Answer(200, gzip.compress(b"<p>" + b" " * 30_000_000), PACKED), "could not be fetched"),
    "/large": (Answer(200, b"<p>" + b"x" * 3_000_000, HTML), "could not be fetched"),
    "/private": (Answer(302, b"", {"Location": "http://169.254.169.254/latest/"}), "169.254.169.254"),
    "/links.xml": (
        Answer(
            200,
            f"<urlset>{''.join(f'<url><loc>/p/{number}</loc></url>' for number in range(40_000))}</urlset>".encode(),
            {"Content-Type": "application/xml"},
        ),
        "more than 30 pages",
    ),
    "/maps.xml": (
        Answer(
            200,
            f"<sitemapindex>{''.join(f'<sitemap><loc>/m/{n}</loc></sitemap>' for n in range(40_000))}".encode(),
            {"Content-Type": "application/xml"},
        ),
        "more than 30 pages",
    ),
    "/secondly": (
        Answer(
            200,
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:x\r\n"
            f"DTSTART:{DAY:%Y%m%d}T100000\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n".encode(),
            {"Content-Type": "text/calendar"},
        ),
        "more often than daily",
    ),
}
ROBOTS = Answer(
    200, b"User-agent: *\nAllow: /\n" + b"# x\n" * 400_000 + b"Disallow: /\n", {"Content-Type": "text/plain"}
)


class TestHostileSources:
    """Harm of every kind in one run."""

    def test_each_alone(self, crawler: Crawler, site: FaultySite) -> None:
        """Expect the honest source to be stored without control characters, and a reason in each other record."""
        pages = {path: answer for path, (answer, _) in HOSTILE.items()} | {"/robots.txt": ROBOTS}
        # A site map below the one of 40,000 is an empty one.
        empty = Answer(200, b"<urlset></urlset>", {"Content-Type": "application/xml"})
        site.faults.append(lambda target, _: empty if target.startswith("/m/") else pages.get(target, Answer(404, b"")))
        sources = [
            {"name": path.strip("/").partition(".")[0], "type": "jsonld", "startUrls": [f"{crawler.url}{path}"]}
            for path in HOSTILE
        ]
        ended = crawler.crawl(
            MORE_SOURCES=json.dumps(sources),
            CRAWL_SOURCES="",
            MAX_PAGES="30",
            MAX_PAGE_BYTES="2000000",
            RETRY_TIMES="0",
        )
        assert ended.exit_code == 1, ended.output[-3000:]
        errors = dict(crawler.rows("SELECT source, error FROM crawl_sources"))
        for path, (_, reason) in HOSTILE.items():
            error = errors[path.strip("/").partition(".")[0]]
            assert (error is None) if reason is None else (reason in (error or "")), (path, error)
        assert crawler.rows("SELECT name FROM markets") == [("Byens loppemarked",)]
        assert len(site.log) < 120
        assert "169.254" not in "".join(target for target, _, _ in site.log)
