"""Child processes: output in a log file, an end that is noticed, none left behind. Standard library only."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_SET_PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
_SET_CHILD_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_POLL_SECONDS: Final = 0.05
_MAX_TAIL_BYTES: Final = 64 * 1024


class Child:
    """A program that ends with us, also when we are killed.

    Its output goes to the log file itself: there is no pipe that could fill up and block it. It gets a session of its
    own, so that Ctrl-C in a terminal reaches only its parent, which then stops its children in order.

    Args:
        name: what messages call it.
        arguments: the program and its arguments.
        log: file that its output is appended to.
        environment: None inherits ours.
        on_parent_death: the signal that it gets when we are killed (Linux).
        prepare: called in the child before the program starts, e.g. to become another user.
    """

    def __init__(  # noqa: PLR0913 - what starting a program needs
        self,
        name: str,
        arguments: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        on_parent_death: signal.Signals = signal.SIGKILL,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands, never through a shell
                [str(part) for part in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=end_with_parent(on_parent_death, prepare),  # noqa: PLW1509 - system calls only, no locks
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + n when signal n ended it, as in shells."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def stop(self, grace_seconds: float = 10.0, request: signal.Signals = signal.SIGTERM) -> None:
        """Send `request`, wait, and kill it after `grace_seconds`."""
        if self.process.poll() is None:
            self.process.send_signal(request)
            try:
                self.process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        return tail(self.log, lines)


def stop_all(running: Sequence[Child], grace_seconds: float) -> None:
    """Ask all to end at the same time, wait, and kill those that still run after `grace_seconds` altogether."""
    for child in running:
        if child.exit_code is None:
            child.process.terminate()
    deadline = time.monotonic() + grace_seconds
    for child in running:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


def end_with_parent(
    number: signal.Signals = signal.SIGTERM, prepare: Callable[[], None] | None = None
) -> Callable[[], None] | None:
    """Return what makes Linux send `number` to a child whose parent is killed, for `preexec_fn`.

    It calls `prepare` first, because becoming another user would take the signal back. Where there is no such call it
    returns `prepare` alone.
    """
    prctl = _prctl()
    if prctl is None:
        return prepare
    parent = os.getpid()

    def ask() -> None:
        if prepare is not None:
            prepare()
        prctl(_SET_PARENT_DEATH_SIGNAL, number)
        if os.getppid() != parent:  # killed before the call: no signal will come
            os._exit(1)

    return ask


def bind_to_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Make Linux send `number` to this very process when its parent is killed."""
    if (prctl := _prctl()) is not None:
        prctl(_SET_PARENT_DEATH_SIGNAL, number)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent, one of our children, is killed; Linux only."""
    if (prctl := _prctl()) is not None:
        prctl(_SET_CHILD_SUBREAPER, 1)


def end_orphans(known: set[int], grace_seconds: float) -> None:
    """End our children except the `known` ones: ask, wait, and kill them after `grace_seconds`."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = children() - known
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + grace_seconds
        while (left := {pid for pid in left if not _has_ended(pid)}) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def children() -> set[int]:
    """Return the pids of our children; empty where there is no /proc."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # gone meanwhile
            # The name in parentheses may hold anything; the state and the parent follow it.
            if int(status.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(status.parent.name))
    return found


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a file, at most 64 KiB of it; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MAX_TAIL_BYTES))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _prctl() -> Callable[[int, int], int] | None:
    if sys.platform != "linux":
        return None
    function: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "prctl", None)
    return function


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
