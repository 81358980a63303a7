"""Signals that end a run."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from loppestars_core.kit.signals import ENDING_SIGNALS, Interrupted, Interruptions, ended_by_signal, run_interruptible


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of this process as they were."""
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    for number in ENDING_SIGNALS:
        # Under nohup a signal is ignored from the start.
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
class TestInterruptions:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_first_counts(self, number: signal.Signals, code: int) -> None:
        """The wait ends with the first signal, also when a second one follows."""
        interruptions = Interruptions()
        interruptions.listen()
        interruptions.pause(0)
        # Raised in this thread: of two sent to the process, the kernel may give the first to a thread that sleeps.
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted) as caught:
            interruptions.pause(0)
        assert (caught.value.number, caught.value.exit_code) == (number, code)

    def test_ignored(self) -> None:
        """What was ignored before (nohup) stays ignored."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        interruptions = Interruptions()
        interruptions.listen()
        os.kill(os.getpid(), signal.SIGHUP)
        interruptions.pause(0)


class TestRunInterruptible:
    def test_done(self) -> None:
        """Work that ends by itself is 0."""
        assert run_interruptible(asyncio.sleep(0)) == 0

    def test_cancelled(self) -> None:
        """A signal cancels the work, which may tidy up; the exit code names the signal."""
        tidied = []

        async def work() -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)
            finally:
                tidied.append(True)

        assert run_interruptible(work()) == 143
        assert tidied == [True]

    async def test_event(self) -> None:
        """The event of a server is set by SIGINT."""
        ended = ended_by_signal()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(ended.wait(), 5)
