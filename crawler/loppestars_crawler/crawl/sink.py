"""One source within a run: takes what its spider found, counts it, and judges the whole at the end."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.markets.ingest import Recorded
from loppestars_crawler.crawl.source_market import to_source_market
from loppestars_crawler.items import ListedMarket, Outcome, Problem
from loppestars_crawler.metrics import ITEMS
from loppestars_crawler.text import snippet

if TYPE_CHECKING:
    from loppestars_crawler.crawl.repository import CrawlRepository
    from loppestars_crawler.geocoding.locating import Locator
    from loppestars_crawler.sites import Site

log = structlog.get_logger()
LISTED = (Recorded.NEW, Recorded.CHANGED, Recorded.UNCHANGED)
_MOST_FAILED_ITEMS_KEPT = 1000


class SourceSink:
    """The sink of one spider."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        name: str,
        site: "Site",
        store: "CrawlRepository",
        locator: "Locator",
        *,
        limit: int | None,
        ask_to_stop: Callable[[], None],
    ) -> None:
        self.name = name
        self.stopped = False
        self.error: str | None = None
        self.expected: int | None = None
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNT_NAMES, 0))
        self._site, self._store, self._locator, self._limit = site, store, locator, limit
        self._ask_to_stop = ask_to_stop
        self._first_of_id: dict[str, str | None] = {}
        self._taken: set[str] = set()
        # Pages are parsed as they come; two that list one market must not both find it new.
        self._one_at_a_time = asyncio.Lock()

    @property
    def listed(self) -> int:
        """Markets found so far."""
        return sum(self.counts[outcome] for outcome in LISTED)

    @property
    def done(self) -> int:
        """Items dealt with so far, whatever came of them."""
        return self.counts["seen"]

    def stop(self) -> None:
        """Take nothing more and end the spider."""
        self.stopped = True
        self._ask_to_stop()

    def fail(self, reason: str) -> None:
        """Note why the source could not be read; the first reason is the cause of the others."""
        if self.error is None and not self.stopped:
            self.error = reason
            log.error("source failed", source=self.name, reason=reason)

    def expect(self, total: int) -> None:
        self.expected = total

    async def take(self, item: ListedMarket | Problem, *, complete: bool = True) -> None:
        """Store a market or count a problem, one at a time; after the end nothing is taken."""
        async with self._one_at_a_time:
            await self._take(item, complete=complete)

    async def _take(self, item: ListedMarket | Problem, *, complete: bool) -> None:
        if self.stopped:
            return
        if isinstance(item, Problem):
            await self._take_problem(item)
        else:
            await self._take_market(item, complete=complete)
        if self._limit is not None and self.listed >= self._limit:
            self.stop()

    async def _take_market(self, market: ListedMarket, *, complete: bool) -> None:
        market = await self._with_own_id(market)
        if market.external_id in self._taken:
            await self._take_problem(Problem(Outcome.SKIPPED, "listed twice", snippet(market.name), market.url))
            return
        self._taken.add(market.external_id)
        try:
            said = await to_source_market(market, self._site, self._locator)
            outcome = await self._store.record(said, complete=complete)
        except (OperationalError, InterfaceError):
            raise
        except (DBAPIError, ValueError, TypeError) as error:
            reason = f"could not be stored: {type(error).__name__}: {str(error)[:200]}"
            await self._keep_listed(market.external_id)
            await self._take_problem(Problem(Outcome.FAILED, reason, snippet(market.name), market.url))
            return
        self._count(outcome)

    async def _keep_listed(self, external_id: str) -> None:
        try:
            await self._store.keep_listed(self.name, external_id)
        except (OperationalError, InterfaceError):
            raise
        except (DBAPIError, ValueError):
            # The id itself cannot be stored, so no market has it.
            log.debug("an id that cannot be stored", source=self.name)

    async def _with_own_id(self, market: ListedMarket) -> ListedMarket:
        """Two towns may have a market of one name on one day: the id of the later one says which it is.

        Once it has that id it keeps it, in whichever order they are listed, and when the other is gone.
        """
        town = market.details.municipality
        own_id = f"{market.external_id}|{town or ''}"
        if not await self._knows(own_id) and self._first_of_id.setdefault(market.external_id, town) == town:
            return market
        return replace(market, external_id=own_id)

    async def _knows(self, external_id: str) -> bool:
        try:
            return await self._store.knows(self.name, external_id)
        except (OperationalError, InterfaceError):
            raise
        except (DBAPIError, ValueError):
            return False  # an id that cannot be stored

    async def _take_problem(self, problem: Problem) -> None:
        log.info(
            "not a market" if problem.outcome is not Outcome.REMARK else "not understood",
            source=self.name,
            outcome=problem.outcome,
            reason=problem.reason,
            url=problem.url,
            snippet=problem.snippet,
        )
        if problem.outcome is Outcome.REMARK:
            ITEMS.labels(self.name, problem.outcome).inc()
            return
        self._count(problem.outcome)
        if problem.outcome is Outcome.FAILED and self.counts[Outcome.FAILED] <= _MOST_FAILED_ITEMS_KEPT:
            await self._store.record_failed(self.name, problem)

    def _count(self, result: str) -> None:
        self.counts["seen"] += 1
        self.counts[result] += 1
        ITEMS.labels(self.name, result).inc()


def shrink_reason(listed: int, last_time: int | None) -> str | None:
    """A source that suddenly lists less than half of last time is not believed."""
    if last_time is not None and listed * 2 < last_time:
        return (
            f"lists {listed} markets, less than half of the {last_time} of last time, and is not believed; its old "
            "markets are kept. If it is right, crawl once more with --accept-shrink"
        )
    return None
