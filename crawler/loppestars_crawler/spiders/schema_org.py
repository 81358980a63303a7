"""Fetches the pages of a source that says its events in the terms of schema.org, in sitemaps, or as a calendar."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import scrapy
from scrapy.http import Response
from scrapy_poet.utils import scrapy_response_to_http_response
from twisted.python.failure import Failure
from web_poet import PageParams

from loppestars_core.contract.sources import SourceType
from loppestars_core.kit.clock import today_in_denmark
from loppestars_crawler.items import EventListing, Outcome, Problem
from loppestars_crawler.pages.calendar_feed import CalendarFeedPage, is_calendar
from loppestars_crawler.pages.schema_org_events import EventsOfPage, MicrodataPage
from loppestars_crawler.pages.sitemap import read_sitemap
from loppestars_crawler.spiders.source import SourceSpider, describe, is_gone


class SchemaOrgSpider(SourceSpider):
    """Starts at pages, calendars or sitemaps, follows `rel=next` and the links of `ItemList`s, each page once."""

    def __init__(self, *, start_urls: list[str], kind: SourceType, **kwargs: Any) -> None:  # noqa: ANN401 - Scrapy's own
        super().__init__(**kwargs)
        self._start_urls, self._kind = start_urls, kind
        self._params = PageParams(today=today_in_denmark().isoformat())

    async def start(self) -> AsyncIterator[Any]:
        for url in self._start_urls:
            yield self.page_of_list(url, self.parse_list)

    async def parse_list(self, response: Response) -> AsyncIterator[Any]:
        sitemap = read_sitemap(response.body, response.url) if self._kind is not SourceType.ICS else None
        if sitemap is not None:
            for url in sitemap.sitemaps:
                yield self.page_of_list(url, self.parse_list)
            for url in sitemap.pages:
                yield self._page_of_event(url, is_listed=False)
            return
        listing = await self._read(response)
        if not listing.event_urls:
            self.check_understood(listing, response)
        await self._take(listing)
        for url in listing.event_urls:
            yield self._page_of_event(url)
        yield self.next_page(listing, self.parse_list, *listing.event_urls)

    async def parse_event(self, response: Response, *, is_listed: bool) -> None:
        """Take the events of a page; what it links to in turn is not followed. A sitemap lists other pages too."""
        listing = await self._read(response)
        if is_listed or listing.markets:
            await self._take(listing)
        if is_listed and not listing.markets and not listing.problems:
            await self.sink.take(Problem(Outcome.FAILED, "no event on the page", response.url, response.url))

    async def event_failed(self, failure: Failure) -> None:
        """Skip a page that is gone; one that is away for now leaves unknown what the source lists."""
        if is_gone(failure):
            url = failure.request.url  # type: ignore[attr-defined]  # Scrapy sets it
            await self.sink.take(Problem(Outcome.SKIPPED, "the page of an event is gone", url, url))
        else:
            self.sink.fail(f"the page of an event could not be fetched: {describe(failure)}")

    async def _read(self, response: Response) -> EventListing:
        page_class: type[CalendarFeedPage | EventsOfPage] = EventsOfPage
        if self._kind is SourceType.ICS or (self._kind is SourceType.JSONLD and is_calendar(response.body)):
            page_class = CalendarFeedPage
        elif self._kind is SourceType.MICRODATA:
            page_class = MicrodataPage
        page = page_class(response=scrapy_response_to_http_response(response), page_params=self._params)
        return await page.to_item()

    def _page_of_event(self, url: str, *, is_listed: bool = True) -> scrapy.Request | None:
        target = self.site.on_base(url)
        if target is None or not self.is_new(target):
            return None
        return scrapy.Request(
            target, self.parse_event, errback=self.event_failed, dont_filter=True, cb_kwargs={"is_listed": is_listed}
        )

    async def _take(self, listing: EventListing) -> None:
        for problem in listing.problems:
            await self.sink.take(problem)
        for market in listing.markets:
            await self.sink.take(replace(market, source=self.name))
