"""Signals that end the run."""

import signal
import time
from types import FrameType

from loppestars_core.contract.exit_codes import ExitCode

# Closing the terminal is asking to stop, unless somebody said that it is not (nohup).
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody asked us to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = int(ExitCode.DONE) if number == signal.SIGINT else 128 + number


class Interruptions:
    """Signals are noted when they come and acted on while the run waits.

    An exception out of a signal handler could come between the start of a process and the line that remembers it, and
    leave that process behind. The first signal counts; a second Ctrl-C does not disturb the stopping.
    """

    def __init__(self) -> None:
        self._first: int | None = None

    def listen(self) -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`; raise `Interrupted` when a signal has come, now or before."""
        if self._first is None:
            time.sleep(seconds)
        if self._first is not None:
            raise Interrupted(self._first)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._first = self._first or number
