"""Keeps a crawl on its site: links to the real host are fetched from the configured base, all others not at all."""

from typing import Self

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest

from loppestars_crawler.fetching.spider import SiteSpider


class OffSite(IgnoreRequest):
    """A link or redirect that leads to another host."""


class CrawlStopped(IgnoreRequest):
    """The crawl of this source is ending; nothing more is fetched."""


class TooManyPages(IgnoreRequest):
    """A source has more pages than are fetched of it in one crawl."""


class SiteBoundsMiddleware:
    """Stands before all other downloader middlewares, so redirects and robots.txt are bounded too."""

    def __init__(self, spider: SiteSpider) -> None:
        self._spider = spider
        self._pages = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not isinstance(crawler.spider, SiteSpider):
            raise TypeError("only a spider of a source knows its site")
        return cls(crawler.spider)

    def process_request(self, request: Request) -> Request | None:
        if self._spider.sink.stopped:
            raise CrawlStopped("the crawl is ending")
        target = self._spider.site.on_base(request.url)
        if target is None:
            raise OffSite(f"{request.url} is not on {self._spider.site.real}")
        if target != request.url:
            return request.replace(url=target)
        self._pages += not request.meta.get("dont_obey_robotstxt")
        if self._pages > self._spider.max_pages:
            raise TooManyPages(f"more than {self._spider.max_pages} pages (MAX_PAGES): a trap, or a larger site")
        return None
