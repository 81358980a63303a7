"""What the spiders of all sources share: their site, where items go, and what happens when a page cannot be had."""

from typing import TYPE_CHECKING, Any, Protocol

import scrapy
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError

from loppestars_crawler.items import Outcome
from loppestars_crawler.sites import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from loppestars_crawler.fetching.stored_pages import StoredPages
    from loppestars_crawler.items import ListedMarket, Listing, Problem

GONE = frozenset({404, 410})


class Sink(Protocol):
    """Takes what a spider found."""

    stopped: bool
    """Nothing more is wanted: the limit is reached, or the crawl is ending."""

    async def take(self, item: "ListedMarket | Problem", *, complete: bool = True) -> None:
        """Store or count an item; `complete=False`: its own page could not be read this time."""

    def expect(self, total: int) -> None:
        """The source says how many entries it lists."""

    def fail(self, reason: str) -> None:
        """The source as a whole could not be read."""


class SourceSpider(scrapy.Spider):
    """A spider of one source; `sink`, `pages` and `site` come from the crawl that runs it."""

    def __init__(
        self,
        *,
        site: Site,
        sink: Sink,
        pages: "StoredPages",
        max_pages: int,
        **kwargs: Any,  # noqa: ANN401 - Scrapy's own
    ) -> None:
        super().__init__(**kwargs)
        self.site = site
        self.sink = sink
        self.pages = pages
        self.max_pages = max_pages
        self._lists: set[str] = set()

    def page_of_list(self, url: str, callback: "Callable[..., Any]") -> scrapy.Request | None:
        """Request for a page of the list; None when it was asked for before, or lies on another site."""
        target = self.site.on_base(url)
        if target is None:
            self.sink.fail(f"the list goes on at {url}, which is not on {self.site.real}")
            return None
        if target in self._lists:
            return None
        self._lists.add(target)
        return scrapy.Request(target, callback, errback=self.list_failed, dont_filter=True, priority=10)

    async def list_failed(self, failure: "Failure") -> None:
        """A page of the list is needed: without it nobody knows what the source no longer lists."""
        self.sink.fail(f"a page of its list could not be had: {describe(failure)}")

    def check_understood(self, listing: "Listing", response: Response) -> None:
        """A page of a list on which nothing at all was understood is no list."""
        skipped = any(one.outcome is Outcome.SKIPPED for one in listing.problems)
        if listing.problems and not listing.markets and not skipped:
            reasons = ", ".join(sorted({one.reason for one in listing.problems}))
            self.sink.fail(f"nothing was understood on {response.url}: {reasons[:300]}")


def describe(failure: "Failure") -> str:
    """Why a page could not be had, in words."""
    error = failure.value
    if isinstance(error, HttpError):
        return f"HTTP {error.response.status} for {error.response.url}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def is_gone(failure: "Failure") -> bool:
    """Whether the site itself says that there is no such page, or that it is not for us."""
    error = failure.value
    if isinstance(error, HttpError):
        return error.response.status in GONE
    return isinstance(error, IgnoreRequest)
