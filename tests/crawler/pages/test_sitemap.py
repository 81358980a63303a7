"""Sitemaps of every kind."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_crawler.pages.sitemap import SitemapPages, read_sitemap

ADDRESS = "https://torvet.example/sitemap.xml"
PAGES = b"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://torvet.example/a</loc><lastmod>2026-11-01</lastmod></url><url><loc> /b </loc></url>
<url><loc>javascript:alert(1)</loc></url></urlset>"""
PREFIXED = b"""<s:urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9">
<s:url><s:loc>https://torvet.example/a</s:loc></s:url></s:urlset>"""
INDEX = b"""<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<sitemap><loc>https://torvet.example/events.xml.gz</loc></sitemap></sitemapindex>"""
A, B = "https://torvet.example/a", "https://torvet.example/b"


class TestReadSitemap:
    """Pages, indexes, packed ones, prefixes."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (PAGES, SitemapPages(pages=(A, B))),
            (gzip.compress(PAGES), SitemapPages(pages=(A, B))),
            (PREFIXED, SitemapPages(pages=(A,))),
            (INDEX, SitemapPages(sitemaps=("https://torvet.example/events.xml.gz",))),
            (b"<!DOCTYPE html><html><body>404</body></html>", None),
            (b'{"@type": "Event"}', None),
            (b"", None),
        ],
    )
    def test_kinds(self, body: bytes, expected: SitemapPages | None) -> None:
        """Expect the addresses that can be fetched, and None for what is not a sitemap."""
        assert read_sitemap(body, ADDRESS) == expected

    @given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda rest: b"<urlset>" + rest))
    def test_any_bytes(self, body: bytes) -> None:
        """Expect no bytes to raise."""
        read_sitemap(body, ADDRESS)
