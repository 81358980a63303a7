"""Child processes: their output in a log file, their end noticed, none left behind."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


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


def tail(path: Path, lines: int) -> str:
    """The last lines of a file, at most 64 KiB of it."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
