"""Fetches the calendar of markedskalenderen.dk, and the page of each market once for all of its dates."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import scrapy
from scrapy.http import Response
from twisted.python.failure import Failure

from loppestars_crawler.items import ListedMarket, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.completing import completed
from loppestars_crawler.pages.markedskalenderen_dk import SOURCE, MarketListPage
from loppestars_crawler.pages.markedskalenderen_dk_market import MarketDetailPage
from loppestars_crawler.spiders.source import SourceSpider, describe

START_PATH: Final = "/marked/kategori/loppemarked"


@dataclass(slots=True)
class _MarketPageState:
    """The rows that wait for a market's page, and what it said once it is read."""

    waiting: list[ListedMarket] = field(default_factory=list)
    details: MarketDetails | None = None
    read: bool = False


class MarkedskalenderenSpider(SourceSpider):
    """Nine of ten rows share one page, so rows wait for a page and never fetch it twice."""

    name = SOURCE

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Scrapy hands it whatever the crawl gives
        super().__init__(**kwargs)
        self._pages_of_markets: dict[str, _MarketPageState] = {}

    async def start(self) -> AsyncIterator[Any]:
        yield self.page_of_list(self.site.page(START_PATH), self.parse_list)

    async def parse_list(self, response: Response, page: MarketListPage) -> AsyncIterator[Any]:
        listing = await page.to_item()
        self.check_understood(listing, response)
        for problem in listing.problems:
            await self.sink.take(problem)
        for market in listing.markets:
            request = await self._take_or_wait(market)
            if request is not None:
                yield request
        yield self.next_page(listing, self.parse_list)

    async def _take_or_wait(self, market: ListedMarket) -> scrapy.Request | None:
        """Hand a row on, or let it wait for its page; the first to wait brings the request for it."""
        url = self.site.on_base(market.url) if market.url else None
        if url is None:
            await self.sink.take(market)
            return None
        state = self._pages_of_markets.get(url)
        if state is not None and state.read:
            await self._take_with(state, market)
            return None
        if state is not None:
            state.waiting.append(market)
            return None
        self._pages_of_markets[url] = _MarketPageState([market])
        address = {"address": url}
        return scrapy.Request(
            url, self.parse_market, errback=self.market_failed, cb_kwargs=address, meta=address, dont_filter=True
        )

    async def parse_market(self, response: Response, page: MarketDetailPage, address: str) -> None:
        """Apply a market's page to all rows that link to it."""
        state = self._pages_of_markets[address]
        try:
            said = await page.to_item()
        except Exception as error:  # noqa: BLE001 - whatever a page holds, its rows are kept
            reason = f"a market's page could not be read: {type(error).__name__}"
            await self._finish(state, None, Problem(Outcome.REMARK, reason, response.url, response.url))
        else:
            await self._finish(state, said.details, *said.problems)

    async def market_failed(self, failure: Failure) -> None:
        """Take rows without their page: what is known of them from earlier crawls stays."""
        address: str = failure.request.meta["address"]  # type: ignore[attr-defined]  # Scrapy sets it
        state = self._pages_of_markets[address]
        reason = f"a market's page could not be fetched: {describe(failure)}"
        await self._finish(state, None, Problem(Outcome.REMARK, reason[:300], address, address))

    async def _finish(self, state: _MarketPageState, details: MarketDetails | None, *problems: Problem) -> None:
        state.details, state.read = details, True
        for problem in problems:
            await self.sink.take(problem)
        for market in state.waiting:
            await self._take_with(state, market)
        state.waiting.clear()

    async def _take_with(self, state: _MarketPageState, market: ListedMarket) -> None:
        details = completed(market.details, state.details) if state.details else market.details
        await self.sink.take(replace(market, details=details))
