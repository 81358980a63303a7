"""Fetches the pages of a source that says its events in JSON-LD."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy.http import Response

from loppestars_crawler.items import Outcome, Problem
from loppestars_crawler.pages.schema_org_events import EventsOfPage
from loppestars_crawler.spiders.source import SourceSpider, describe, is_gone

if TYPE_CHECKING:
    from twisted.python.failure import Failure


class SchemaOrgSpider(SourceSpider):
    """Starts at the addresses it is given, follows `rel=next` and the links of `ItemList`s, each page once."""

    def __init__(self, *, start_urls: list[str], **kwargs: Any) -> None:  # noqa: ANN401 - Scrapy's own
        super().__init__(**kwargs)
        self._start_urls = start_urls

    async def start(self) -> AsyncIterator[Any]:
        for url in self._start_urls:
            yield self.page_of_list(url, self.parse_list)

    async def parse_list(self, response: Response, page: EventsOfPage) -> AsyncIterator[Any]:
        listing = await page.to_item()
        if not listing.event_urls:
            self.check_understood(listing, response)
        await self._take(listing.problems, listing.markets)
        for url in listing.event_urls:
            yield self._page_of_event(url)
        if listing.next_url and not self.sink.stopped:
            yield self.page_of_list(listing.next_url, self.parse_list)

    async def parse_event(self, response: Response, page: EventsOfPage) -> None:
        """The page of an event; what it links to in turn is not followed."""
        listing = await page.to_item()
        await self._take(listing.problems, listing.markets)
        if not listing.markets and not listing.problems:
            await self.sink.take(Problem(Outcome.FAILED, "no event on the page", response.url, response.url))

    def _page_of_event(self, url: str) -> scrapy.Request | None:
        target = self.site.on_base(url)
        if target is None or target in self._lists or self.sink.stopped:
            return None
        self._lists.add(target)
        return scrapy.Request(target, self.parse_event, errback=self.event_failed, dont_filter=True)

    async def event_failed(self, failure: "Failure") -> None:
        """A page that is gone is one market less; one that is away for now leaves unknown what the source lists."""
        if is_gone(failure):
            url = failure.request.url  # type: ignore[attr-defined]  # Scrapy sets it
            await self.sink.take(Problem(Outcome.SKIPPED, "the page of an event is gone", url, url))
        else:
            self.sink.fail(f"the page of an event could not be had: {describe(failure)}")

    async def _take(self, problems: tuple[Problem, ...], markets: tuple[Any, ...]) -> None:
        for problem in problems:
            await self.sink.take(problem)
        for market in markets:
            await self.sink.take(replace(market, source=self.name))
