"""Signals that end a run, for programs with and without an event loop."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Final

# Closing the terminal asks to stop, unless it was started to outlive it (nohup).
ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FROM_SIGNAL: Final = 128


class Interrupted(Exception):
    """A signal asked the run to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = signal.Signals(number)
        self.exit_code = exit_code_of(number)


class Interruptions:
    """Signals noted when they come, and acted on while the run waits.

    An exception out of a signal handler could come between the start of a process and the line that remembers it, and
    leave that process behind. The first signal counts; a second Ctrl-C does not disturb the stopping.
    """

    def __init__(self) -> None:
        self._first: int | None = None

    def listen(self) -> None:
        """Note each ending signal that is not ignored."""

        def note(number: int, _frame: FrameType | None) -> None:
            self._first = self._first or number

        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, note)

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`; raise `Interrupted` when a signal has come, now or before."""
        if self._first is None:
            time.sleep(seconds)
        if self._first is not None:
            raise Interrupted(self._first)


def exit_code_of(number: int) -> int:
    """Return the exit code of a run that signal `number` ended, as shells count it."""
    return _FROM_SIGNAL + number


def on_ending_signal(act: Callable[[signal.Signals], None]) -> None:
    """Call `act` in the running event loop for each ending signal."""
    loop = asyncio.get_running_loop()
    for number in ENDING_SIGNALS:
        loop.add_signal_handler(number, act, number)


def ended_by_signal() -> asyncio.Event:
    """Return an event that the first ending signal sets."""
    ended = asyncio.Event()
    on_ending_signal(lambda _: ended.set())
    return ended


def run_interruptible(work: Coroutine[Any, Any, None]) -> int:
    """Run to the end and return 0, or cancel at the first signal and return its exit code (130, 143, 129)."""

    async def run() -> int:
        running, caught = asyncio.ensure_future(work), list[int]()

        def stop(number: signal.Signals) -> None:
            caught.append(number)
            running.cancel()

        on_ending_signal(stop)
        try:
            await running
        except asyncio.CancelledError:
            if not caught:
                raise
        return exit_code_of(caught[0]) if caught else 0

    return asyncio.run(run())
