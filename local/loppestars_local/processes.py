"""Child processes: their output in a log file, their end noticed, none left behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. `finite` ones are expected to end by themselves."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    finite: bool = False


@dataclass(slots=True)
class Child:
    """A started command. Output goes to the log file itself: no pipe that could fill up and block it."""

    command: Command
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as output:
            self.process = start_process(list(self.command.arguments), self.command.environment, output)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + n when signal n ended it, as shells say it."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def stop(self, timeout: float) -> None:
        """Ask it to end, wait, and end it after `timeout` seconds."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log_tail(self, lines: int = 12) -> str:
        return tail(self.log, lines)


def start_process(arguments: list[str], environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own commands
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        # Ctrl-C reaches this program only, which then stops the components in order.
        start_new_session=True,
        preexec_fn=end_with_parent(),  # noqa: PLW1509 - this program starts no threads before its children
    )


def end_with_parent(number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """What makes Linux send signal `number` to a child whose parent was killed; None elsewhere."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        library.prctl(_SET_PARENT_DEATH_SIGNAL, number)
        if os.getppid() != parent:  # killed before the call: no signal will come
            os._exit(1)

    return ask


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent, one of our children, is killed; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)


def end_orphans(known: set[int], timeout: float) -> None:
    """End our children but the `known` ones: ask, wait, and end them after `timeout` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = _children() - known
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + timeout
        while (left := {pid for pid in left if not _has_ended(pid)}) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _children() -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # gone meanwhile
            # The name in parentheses may hold anything; the state and the parent follow it.
            if int(status.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(status.parent.name))
    return found


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def tail(path: Path, lines: int) -> str:
    """The last lines of a file, at most 64 KiB of it."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
