"""What may end a crawl before its end: a signal, a wish to cancel, the deadline, a lost lock. The first one counts."""

import asyncio
import signal
from collections.abc import Callable

import structlog

from loppestars_core.contract.exit_codes import ExitCode

log = structlog.get_logger()
_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Interruption:
    """Remembers the first reason and tells whoever waits."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.exit_code = ExitCode.DONE
        self._happened = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def interrupt(self, reason: str, exit_code: ExitCode) -> None:
        """End the crawl; what is done is kept."""
        if self.reason is not None:
            return
        log.warning("the crawl ends early", reason=reason)
        self.reason, self.exit_code = reason, exit_code
        self._happened.set()
        for listener in self._listeners:
            listener()

    async def wait(self) -> None:
        """Until something ends the crawl."""
        await self._happened.wait()

    def on_interrupt(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the crawl is to end, at once if it is already."""
        self._listeners.append(listener)
        if self.reason is not None:
            listener()

    def listen_to_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """SIGINT and SIGTERM end the crawl."""
        for number, code in _CODES.items():
            loop.add_signal_handler(number, self.interrupt, f"received {number.name}", code)

    def end_after(self, loop: asyncio.AbstractEventLoop, seconds: int) -> None:
        """The deadline ends the crawl, before whoever set it ends the process without a word."""
        reason = f"not finished within {seconds} s (DEADLINE_SECONDS)"
        loop.call_later(seconds, self.interrupt, reason, ExitCode.FAILED)
