"""Fetches all pages of events of loppemarkeder.nu."""

from collections.abc import AsyncIterator
from typing import Any

from scrapy.http import Response

from loppestars_crawler.pages.loppemarkeder_nu import FIRST_PAGE, SOURCE, EventsPage
from loppestars_crawler.spiders.source import SourceSpider


class LoppemarkederSpider(SourceSpider):
    """Follows `next_rest_url` until it ends."""

    name = SOURCE

    async def start(self) -> AsyncIterator[Any]:
        yield self.page_of_list(self.site.page(FIRST_PAGE), self.parse_events)

    async def parse_events(self, response: Response, page: EventsPage) -> AsyncIterator[Any]:
        listing = await page.to_item()
        self.check_understood(listing, response)
        if listing.total is not None:
            self.sink.expect(listing.total)
        for problem in listing.problems:
            await self.sink.take(problem)
        for market in listing.markets:
            await self.sink.take(market)
        yield self.next_page(listing, self.parse_events)
