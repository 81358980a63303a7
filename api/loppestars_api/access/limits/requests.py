"""The general limit of requests: counted in memory, charged to the exact limit of all replicas in batches.

Every request of an address counts, whatever comes of it; a statement for each would cost more than most of them do.
So a replica counts by itself and charges a twentieth of the allowance at once: replicas together let through at most
that much more each. While the database does not answer, the batch is let through: a list that cannot be counted is
better than no list.
"""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from loppestars_api.access.limits.gcra import ExactLimiter, refuse
from loppestars_api.access.limits.rates import Rate
from loppestars_api.state import within
from loppestars_api.web.errors import TooManyRequests

log = structlog.get_logger(__name__)

BATCHES: Final = 20
CHARGE_SECONDS: Final = 1.0
# Clients remembered by one replica; beyond it the one not seen for longest is forgotten, and only by this replica.
MAX_CLIENTS: Final = 100_000


class _Client:
    """A client's requests that are not charged yet, and until when it is refused."""

    __slots__ = ("refused_until", "uncharged")

    def __init__(self) -> None:
        self.uncharged = 0
        self.refused_until = 0.0


class RequestLimiter:
    """Counts requests of clients by `rate`, in batches that `exact` decides about."""

    def __init__(self, rate: Rate, exact: ExactLimiter, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._exact = exact
        self._clock = clock
        self._batch = max(1, rate.per_minute // BATCHES)
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    async def take(self, key: str) -> None:
        """Count one request of `key`. Raise `TooManyRequests` beyond the limit."""
        if self._rate.unlimited:
            return
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client()
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(key)
        if client.refused_until > (now := self._clock()):
            refuse(self._rate, client.refused_until - now)
        client.uncharged += 1
        if client.uncharged >= self._batch:
            await self._charge(key, client)

    async def _charge(self, key: str, client: _Client) -> None:
        cost, client.uncharged = client.uncharged, 0
        try:
            await within(CHARGE_SECONDS, self._exact.take(self._rate, key, cost=cost))
        except TooManyRequests as refusal:
            client.refused_until = self._clock() + refusal.retry_after
            raise
        except (SQLAlchemyError, psycopg.Error, OSError) as error:  # a time-out is an OSError
            log.warning("rate_limit_not_charged", limit=self._rate.name, error=type(error).__name__)
