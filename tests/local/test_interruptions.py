"""Signals are acted on while the run waits, and nowhere else."""

import signal
import time
from collections.abc import Iterator

import pytest

from loppestars_local.interruptions import Interrupted, Interruptions

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers_stay_with_their_test() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_waits_for_the_next_pause(number: signal.Signals, code: int) -> None:
    """Nothing happens where it comes; each later pause raises at once, with the code of the first signal."""
    signal.signal(number, signal.SIG_DFL)
    interruptions = Interruptions()
    interruptions.listen()
    interruptions.pause(0)
    signal.raise_signal(number)
    signal.raise_signal(signal.SIGINT)
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(Interrupted) as interrupted:
            interruptions.pause(30)
        assert interrupted.value.exit_code == code
    assert time.monotonic() - started < 5


def test_what_is_ignored_stays_ignored() -> None:
    """`nohup make run` goes on when its terminal is closed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interruptions = Interruptions()
    interruptions.listen()
    signal.raise_signal(signal.SIGHUP)
    interruptions.pause(0)
