"""Kinds of source that need no code: one site of each, crawled as its type says."""

import gzip
import json
from datetime import timedelta

import pytest

from loppestars_core.kit.clock import today_in_denmark
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import Crawler, FaultySite

DAY = today_in_denmark() + timedelta(days=30)
MICRODATA = (
    f'<html><script type="application/ld+json">{{"@type": "Event", "name": "Koncert", "startDate": "{DAY}"}}</script>'
    '<div itemscope itemtype="https://schema.org/Event"><span itemprop="name">Havnens loppemarked</span>'
    f'<time itemprop="startDate" datetime="{DAY}"></time><span itemprop="location">Havnen, 5900 Rudkøbing</span></div>'
    "</html>"
)
CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Torvets loppemarked\r\n"
    f"DTSTART;VALUE=DATE:{DAY:%Y%m%d}\r\nLOCATION:Torvet\\, 4900 Nakskov\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
EVENT = json.dumps(
    {"@type": "Event", "name": "Byens loppemarked", "startDate": str(DAY), "location": "Torvet, 8800 Viborg"}
)
HTML = {"Content-Type": "text/html; charset=utf-8"}


def pages_of(url: str) -> dict[str, Answer]:
    """The pages of the site at `url`."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    index = f"{head}<sitemapindex {space}><sitemap><loc>{url}/part.xml.gz</loc></sitemap></sitemapindex>"
    part = f"{head}<urlset {space}><url><loc>{url}/event</loc></url><url><loc>{url}/about</loc></url></urlset>"
    return {
        "/microdata": Answer(200, MICRODATA.encode(), HTML),
        "/feed": Answer(200, CALENDAR.encode(), {"Content-Type": "text/calendar"}),
        "/sitemap.xml": Answer(200, index.encode(), {"Content-Type": "application/xml"}),
        "/part.xml.gz": Answer(200, gzip.compress(part.encode()), {"Content-Type": "application/gzip"}),
        "/event": Answer(200, f'<script type="application/ld+json">{EVENT}</script>'.encode(), HTML),
        "/about": Answer(200, b"<html><body>Om os</body></html>", HTML),
        "/robots.txt": Answer(404, b""),
    }


@pytest.fixture
def torvet(crawler: Crawler, site: FaultySite) -> Crawler:
    """Crawls of the site."""
    pages = pages_of(crawler.url)
    site.faults.append(lambda target, _: pages.get(target))
    return crawler


class TestTypes:
    """What a type reads, and what it does not."""

    @pytest.mark.parametrize(
        ("kind", "path", "names"),
        [
            ("microdata", "/microdata", ["Havnens loppemarked"]),
            ("jsonld", "/microdata", ["Koncert"]),
            ("ics", "/feed", ["Torvets loppemarked"]),
            ("jsonld", "/sitemap.xml", ["Byens loppemarked"]),
        ],
    )
    def test_read(self, torvet: Crawler, kind: str, path: str, names: list[str]) -> None:
        """Events of its own kind only; sitemaps through an index and packed."""
        sources = json.dumps([{"name": "torvet", "type": kind, "startUrls": [f"{torvet.url}{path}"]}])
        ended = torvet.crawl(MORE_SOURCES=sources, CRAWL_SOURCES="")
        assert (ended.exit_code, ended.counts["failed"]) == (0, 0), ended.output
        assert [row[0] for row in torvet.rows("SELECT name FROM markets")] == names

    @pytest.mark.parametrize(("kind", "path"), [("ics", "/microdata"), ("microdata", "/about")])
    def test_not_its_kind(self, torvet: Crawler, kind: str, path: str) -> None:
        """Fails the source, with the reason in its record."""
        sources = json.dumps([{"name": "torvet", "type": kind, "startUrls": [f"{torvet.url}{path}"]}])
        assert torvet.crawl(MORE_SOURCES=sources, CRAWL_SOURCES="").exit_code == 1
        assert "nothing was understood" in torvet.value("SELECT error FROM crawl_sources")
