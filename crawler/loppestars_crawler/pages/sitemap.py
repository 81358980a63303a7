"""Sitemaps (https://www.sitemaps.org): the pages of a site, or other sitemaps, packed or not."""

from dataclasses import dataclass
from typing import Final

import lxml.etree
from scrapy.utils.gz import gunzip
from scrapy.utils.sitemap import Sitemap

from loppestars_crawler.reading.links import read_link

MAX_PAGES: Final = 50_000
"""Pages of one sitemap that are listed, as its protocol has it."""
MAX_UNPACKED: Final = 50_000_000
_PACKED: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class SitemapPages:
    """What a sitemap lists: pages of events, and other sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def read_sitemap(body: bytes, url: str) -> SitemapPages | None:
    """Return what a sitemap lists, or None for a body that is not one."""
    if body.startswith(_PACKED):
        try:
            body = gunzip(body, max_size=MAX_UNPACKED)
        except (OSError, EOFError, ValueError):
            return None
    head = body.lstrip()[:1000].lower()
    if not head.startswith((b"<?xml", b"<urlset", b"<sitemapindex", b"<")) or b"<html" in head:
        return None
    try:
        sitemap = Sitemap(body.lstrip())
        if sitemap.type not in {"urlset", "sitemapindex"}:
            return None
        found = [read_link(url, entry.get("loc")) for entry, _ in zip(sitemap, range(MAX_PAGES), strict=False)]
    except (lxml.etree.LxmlError, StopIteration, TypeError):
        return None
    listed = tuple(dict.fromkeys(link for link in found if link is not None))
    return SitemapPages(sitemaps=listed) if sitemap.type == "sitemapindex" else SitemapPages(pages=listed)
