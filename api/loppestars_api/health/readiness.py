"""Whether everything behind the API answers: database, storage and queue, each asked with a short time-out."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from time import monotonic
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from loppestars_api.state import within

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = 2.0
# `/ready` is open to anyone: however often it is asked, the things behind it are asked once in this time.
KEPT_SECONDS: Final = 1.0
OK: Final = "ok"
WATCH_SECONDS: Final = 15.0
DEPENDENCY_UP: Final = Gauge(
    "loppestars_dependency_up", "1 while what the API depends on answers this process", ["dependency"]
)

Check = Callable[[], Coroutine[Any, Any, None]]


class Readiness:
    """Asks all checks at once. A check is fine if it returns; its error goes to the log, not to the caller."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._lock = asyncio.Lock()
        self._known: dict[str, str] = {}
        self._asked = float("-inf")

    async def watch(self) -> None:
        """Ask now and then, so that the metrics are right though nothing asks for `/ready`."""
        while True:
            await self.ask()
            await asyncio.sleep(WATCH_SECONDS)

    async def ask(self) -> dict[str, str]:
        """Return the state of each check: `ok`, or what is wrong in a word."""
        async with self._lock:
            if monotonic() - self._asked >= KEPT_SECONDS:
                states = await asyncio.gather(*(self._run(name, check) for name, check in self._checks.items()))
                self._known = dict(zip(self._checks, states, strict=True))
                self._asked = monotonic()
            return dict(self._known)

    async def _run(self, name: str, check: Check) -> str:
        state = await self._state(name, check)
        DEPENDENCY_UP.labels(name).set(state == OK)
        return state

    @staticmethod
    async def _state(name: str, check: Check) -> str:
        try:
            await within(TIMEOUT_SECONDS, check())
        except TimeoutError:
            log.warning("not_ready", check=name, reason=f"no answer within {TIMEOUT_SECONDS:g} s")
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - whatever is wrong, it is not ready
            log.warning("not_ready", check=name, reason=f"{type(error).__name__}: {error}"[:300])
            return "not available"
        return OK
