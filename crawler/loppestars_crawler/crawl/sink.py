"""What becomes of what a spider found: counted, put in order, and stored in batches."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import structlog

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.crawls.sources import DEFAULT_RANK
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.ingest import Recorded
from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.judging import Coverage, added, churn_reason, coverage_of, doubt_about
from loppestars_crawler.crawl.repository import SightingStore
from loppestars_crawler.crawl.source_market import OutsideDenmark, to_source_market
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.items import ListedMarket, Outcome, Problem
from loppestars_crawler.metrics import ITEMS
from loppestars_crawler.sites import Site
from loppestars_crawler.text import snippet

log = structlog.get_logger(__name__)
LISTED: Final = (Recorded.NEW, Recorded.CHANGED, Recorded.UNCHANGED)
MAX_BATCH: Final = 500
MAX_WAIT_SECONDS: Final = 2.0
"""How long a market waits for others before it is stored."""
_MAX_FAILED_ITEMS_KEPT: Final = 1000


class _Waiting(NamedTuple):
    """A market that waits to be stored, with the municipality that tells two of one name apart."""

    said: SourceMarket
    municipality: str | None
    url: str | None


class SourceSink:
    """The sink of one spider: takes what it found, in any order, and judges nothing but single items."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        name: str,
        site: Site,
        store: SightingStore,
        locator: Locator,
        *,
        limit: int | None,
        rank: int = DEFAULT_RANK,
        accept_shrink: bool = False,
        found: list[SourceMarket] | None = None,
        ask_to_stop: Callable[[], None],
    ) -> None:
        self.name = name
        self.stopped = False
        self.error: str | None = None
        self.expected: int | None = None
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNT_NAMES, 0))
        self.coverage = Coverage(0, {})
        self._site, self._store, self._locator, self._limit = site, store, locator, limit
        self._accept_shrink, self._found, self._rank = accept_shrink, found, rank
        self.quarantined = 0
        self._ask_to_stop = ask_to_stop
        self._municipality_of_id: dict[str, str | None] = {}
        self._taken: set[str] = set()
        self._unknown = 0
        self._waiting: list[_Waiting] = []
        self._waiting_since = 0.0
        # Pages are parsed as they come; two that list one market must not both find it new.
        self._one_at_a_time = asyncio.Lock()

    @property
    def listed(self) -> int:
        """Markets found so far, stored or about to be."""
        return sum(self.counts[outcome] for outcome in LISTED) + len(self._waiting)

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
            log.error("source_failed", source=self.name, reason=reason)

    def expect(self, total: int) -> None:
        """Note how many entries the source says it lists."""
        self.expected = total

    async def take(self, item: ListedMarket | Problem) -> None:
        """Take a market or count a problem; after the end nothing is taken."""
        async with self._one_at_a_time:
            if self.stopped:
                return
            if isinstance(item, Problem):
                await self._count_problem(item)
            else:
                await self._queue(item)
            if len(self._waiting) >= MAX_BATCH or time.monotonic() - self._waiting_since > MAX_WAIT_SECONDS:
                await self._store_waiting()
            if self._limit is not None and self.listed >= self._limit:
                self.stop()

    async def flush(self) -> None:
        """Store what waits."""
        async with self._one_at_a_time:
            await self._store_waiting()

    async def _queue(self, market: ListedMarket) -> None:
        try:
            said = await to_source_market(market, self._site, self._locator, rank=self._rank)
        except OutsideDenmark as error:
            await self._count_problem(Problem(Outcome.SKIPPED, str(error), snippet(market.name), market.url))
            return
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append(_Waiting(said, market.details.municipality, market.url))

    async def _store_waiting(self) -> None:
        """Store a batch: what says the same as before in one statement, new listings together."""
        waiting, self._waiting = self._waiting, []
        batch = await self._believed(await self._with_own_ids(waiting))
        if not batch:
            return
        known = await self._store.known(batch)
        self._unknown += len(batch) - len(known)
        if await self._is_churn():
            return
        outcomes = await self._store.record(batch, known)
        stored = []
        for said in batch:
            outcome = outcomes[said.external_id]
            if isinstance(outcome, Exception):
                reason = f"could not be stored: {type(outcome).__name__}: {str(outcome)[:200]}"
                await self._count_problem(Problem(Outcome.FAILED, reason, snippet(said.name), said.url))
            else:
                stored.append(said)
                self._count(outcome)
        self.coverage = added(self.coverage, coverage_of(stored))
        if self._found is not None:
            self._found.extend(stored)

    async def _believed(self, batch: list[SourceMarket]) -> list[SourceMarket]:
        """Return the markets that can be right; the others go into quarantine, unless an admin released them."""
        today = today_in_denmark()
        doubted = {said.external_id: reason for said in batch if (reason := doubt_about(said, today)) is not None}
        released = await self._store.quarantine(
            [(said, doubted[said.external_id]) for said in batch if said.external_id in doubted]
        )
        for said in batch:
            if said.external_id in doubted and said.external_id not in released:
                self.quarantined += 1
                reason = f"in quarantine: {doubted[said.external_id]}"
                await self._count_problem(Problem(Outcome.SKIPPED, reason, snippet(said.name), said.url))
        return [said for said in batch if said.external_id not in doubted or said.external_id in released]

    async def _with_own_ids(self, waiting: list[_Waiting]) -> list[SourceMarket]:
        """Return the markets under ids of their own: two towns may have a market of one name on one day.

        The id of the later one says which it is. Once it has that id it keeps it, in whichever order they are listed,
        and when the other is gone.
        """
        own_ids = {f"{item.said.external_id}|{item.municipality or ''}": item for item in waiting}
        known = await self._store.known_ids(list(own_ids)) if own_ids else set()
        batch = []
        for said, municipality, url in waiting:
            own_id = f"{said.external_id}|{municipality or ''}"
            is_first = own_id not in known and (
                self._municipality_of_id.setdefault(said.external_id, municipality) == municipality
            )
            market = said if is_first else replace(said, external_id=own_id)
            if market.external_id in self._taken:
                await self._count_problem(Problem(Outcome.SKIPPED, "listed twice", snippet(said.name), url))
                continue
            self._taken.add(market.external_id)
            batch.append(market)
        return batch

    async def _is_churn(self) -> bool:
        """Return whether the source is not believed any more, and end it then."""
        if self._accept_shrink or churn_reason(self._unknown, len(self._taken), len(self._taken)) is None:
            return False
        missed = await self._store.missed_so_far()
        reason = churn_reason(self._unknown, len(self._taken), missed)
        if reason is not None:
            self.fail(reason)
            self.stop()
        return reason is not None

    async def _count_problem(self, problem: Problem) -> None:
        log.info(
            "item_left_out",
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
        if problem.outcome is Outcome.FAILED and self.counts[Outcome.FAILED] <= _MAX_FAILED_ITEMS_KEPT:
            await self._store.record_failed(problem)

    def _count(self, result: str) -> None:
        self.counts["seen"] += 1
        self.counts[result] += 1
        ITEMS.labels(self.name, result).inc()
