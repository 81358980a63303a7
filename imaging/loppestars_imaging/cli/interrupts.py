"""Ctrl-C, SIGTERM and a closed terminal end work early and in order: what is done is still reported."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FROM_SIGNAL: Final = 128  # what shells add to the number of a signal that ended a command


def run_interruptible(work: Coroutine[Any, Any, None]) -> int:
    """Run to the end and return 0, or cancel at the first signal and return its exit code (130, 143, 129)."""
    return asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, None]) -> int:
    loop, running, caught = asyncio.get_running_loop(), asyncio.ensure_future(work), list[int]()

    def stop(number: int) -> None:
        caught.append(number)
        running.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await running
    except asyncio.CancelledError:
        if not caught:
            raise
    return _FROM_SIGNAL + caught[0] if caught else 0
