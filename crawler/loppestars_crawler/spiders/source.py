"""What the spiders of all sources share: their site, where items go, and what happens when a page cannot be had."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

import scrapy
import structlog
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError
from sqlalchemy.exc import DBAPIError
from twisted.python.failure import Failure

from loppestars_crawler.fetching.site_bounds import TooManyPages
from loppestars_crawler.fetching.stored_pages import StoredPages
from loppestars_crawler.items import ListedMarket, Listing, Outcome, Problem
from loppestars_crawler.sites import Site

log = structlog.get_logger(__name__)
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Sink(Protocol):
    """Where what a spider found goes."""

    stopped: bool
    """Nothing more is wanted: the limit is reached, or the crawl is ending."""

    async def take(self, item: ListedMarket | Problem) -> None:
        """Store or count an item."""

    def expect(self, total: int) -> None:
        """Note how many entries the source says it lists."""

    def fail(self, reason: str) -> None:
        """Note why the source as a whole could not be read."""


class SourceSpider(scrapy.Spider):
    """A spider of one source; `sink`, `pages` and `site` come from the crawl that runs it."""

    def __init__(
        self,
        *,
        site: Site,
        sink: Sink,
        pages: StoredPages,
        max_pages: int,
        **kwargs: Any,  # noqa: ANN401 - Scrapy's own
    ) -> None:
        super().__init__(**kwargs)
        self.site = site
        self.sink = sink
        self.pages = pages
        self.max_pages = max_pages
        self._lists: set[str] = set()
        self._entries: set[str] = set()

    def page_of_list(self, url: str, callback: Callable[..., Any]) -> scrapy.Request | None:
        """Return the request for a page of the list; None when it was asked for before, or lies on another site."""
        target = self.site.on_base(url)
        if target is None:
            self.sink.fail(f"the list goes on at {url}, which is not on {self.site.real}")
            return None
        if not self.is_new(target):
            return None
        return scrapy.Request(target, callback, errback=self.list_failed, dont_filter=True, priority=10)

    def is_new(self, target: str) -> bool:
        """Return whether a page was not asked for before; more than `max_pages` fail the source and are not queued."""
        if target in self._lists or self.sink.stopped:
            return False
        if len(self._lists) >= self.max_pages:
            self.sink.fail(f"it lists more than {self.max_pages} pages (MAX_PAGES): a trap, or a larger site")
            return False
        self._lists.add(target)
        return True

    def next_page(self, listing: Listing, callback: Callable[..., Any], *found: str) -> scrapy.Request | None:
        """Return the request for the next page of a list; None at its end, which is also a page with nothing new."""
        if not listing.next_url or self.sink.stopped:
            return None
        entries = {f"{market.external_id}|{market.details.municipality}" for market in listing.markets}
        entries |= {problem.snippet for problem in listing.problems} | set(found)
        if entries <= self._entries:
            log.warning("list_repeats_itself", source=self.name, url=listing.next_url)
            return None
        self._entries |= entries
        return self.page_of_list(listing.next_url, callback)

    async def list_failed(self, failure: Failure) -> None:
        """Fail the source: without a page of its list it is not known what it no longer lists."""
        self.sink.fail(f"a page of its list could not be fetched: {describe(failure)}")

    def check_understood(self, listing: Listing, response: Response) -> None:
        """Fail the source when nothing at all was understood on a page of its list."""
        skipped = any(problem.outcome is Outcome.SKIPPED for problem in listing.problems)
        if listing.problems and not listing.markets and not skipped:
            reasons = ", ".join(sorted({problem.reason for problem in listing.problems}))
            self.sink.fail(f"nothing was understood on {response.url}: {reasons[:300]}")


def describe(failure: Failure) -> str:
    """Return why a page could not be fetched, in words."""
    error = failure.value
    if isinstance(error, HttpError):
        return f"HTTP {error.response.status} for {error.response.url}"
    if isinstance(error, DBAPIError):
        return f"the database failed: {str(error.orig).partition(chr(10))[0]}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def is_gone(failure: Failure) -> bool:
    """Return whether the site itself says that there is no such page, or that it is not for crawlers."""
    error = failure.value
    if isinstance(error, HttpError):
        return error.response.status in _GONE
    return isinstance(error, IgnoreRequest) and not isinstance(error, TooManyPages)
