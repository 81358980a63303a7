"""What may end a crawl early: a signal, a request to cancel, the deadline, a lost lock. The first one counts."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final, Self

import structlog

from loppestars_core.contract.exit_codes import ExitCode

log = structlog.get_logger(__name__)
_CODES: Final = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Interruption:
    """The first reason to end a run, and whom to notify of it."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.exit_code = ExitCode.DONE
        self._happened = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def interrupt(self, reason: str, exit_code: ExitCode) -> None:
        """End the crawl; what is done is kept."""
        if self.reason is not None:
            return
        log.warning("run_interrupted", reason=reason)
        self.reason, self.exit_code = reason, exit_code
        self._happened.set()
        for listener in self._listeners:
            listener()

    def part(self) -> Self:
        """Return the interruption of a part of the run, which ends with the run and may end before it."""
        part = type(self)()
        self.on_interrupt(lambda: part.interrupt(self.reason or "", self.exit_code))
        return part

    async def wait(self) -> None:
        """Wait until something ends the crawl."""
        await self._happened.wait()

    def on_interrupt(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the crawl is to end, at once if it is already."""
        self._listeners.append(listener)
        if self.reason is not None:
            listener()

    def listen_to_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the crawl at SIGINT and SIGTERM."""
        for number, code in _CODES.items():
            loop.add_signal_handler(number, self.interrupt, f"received {number.name}", code)

    def end_after(self, loop: asyncio.AbstractEventLoop, seconds: int) -> None:
        """End the crawl after some seconds, before its supervisor kills the process."""
        reason = f"not finished within {seconds} s (DEADLINE_SECONDS)"
        loop.call_later(seconds, self.interrupt, reason, ExitCode.FAILED)
