"""Starting programs and ending exactly those again.

A pid alone is not an identity: after a crash or a reboot it may belong to somebody else. Each program that outlives us
is therefore recorded with the kernel's start time of its pid, and signalled only while both still match.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from loppestars_core.kit import processes
from tools.cluster.errors import CommandFailed, NotReady

LOG_LINES_IN_ERRORS: Final = 15


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine: its pid and when the kernel started it (clock ticks since boot)."""

    pid: int
    start_time: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the process that has this pid now; None when nothing has, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command's name is in parentheses and may itself hold spaces and parentheses: count from the last one.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self

    def end(self, grace: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; does nothing when the pid is another process by now."""
        for signal_number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            if not self.is_alive():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_number)
            deadline = time.monotonic() + patience
            while self.is_alive() and time.monotonic() < deadline:
                _reap(self.pid)
                time.sleep(0.05)


@dataclass(frozen=True)
class Daemon:
    """A program that outlives us, known by name in a directory of records."""

    name: str
    records: Path

    @property
    def record(self) -> Path:
        return self.records / f"{self.name}.process.json"

    @property
    def log(self) -> Path:
        return self.records / "logs" / f"{self.name}.log"

    def identity(self) -> ProcessIdentity | None:
        """Return the recorded process if it still runs."""
        try:
            recorded = ProcessIdentity(**json.loads(self.record.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None
        return recorded if recorded.is_alive() else None

    def start(self, command: Sequence[str | Path], *, namespace: str | None = None) -> bool:
        """Start it unless it runs already; returns whether it was started. `namespace` names a network namespace."""
        if self.identity() is not None:
            return False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # nsenter keeps the mounts; `ip netns exec` would hide /sys/fs/cgroup from kubelet and containerd. It replaces
        # itself by the program, so that the pid is the program's own.
        enter = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*enter, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        identity = ProcessIdentity.of(process.pid)
        if identity is None:
            raise CommandFailed(f"{self.name} ended at once:\n{last_lines(self.log)}")
        self.record.write_text(json.dumps(asdict(identity)))
        # The process is meant to outlive this one; without this Python warns about a child left behind.
        process.returncode = 0
        return True

    def stop(self, grace: float = 10.0) -> None:
        identity = self.identity()
        if identity is not None:
            identity.end(grace)
        self.record.unlink(missing_ok=True)


class Child(processes.Child):
    """A program that ends with us, also when we are killed with -9."""

    def require_alive(self) -> None:
        """Raise `CommandFailed` with the last lines of its log when it has ended."""
        if (code := self.process.poll()) is not None:
            raise CommandFailed(f"{self.name} ended with {code}:\n{last_lines(self.log)}")


def run(command: Sequence[str | Path], *, stdin: str | None = None, timeout: float = 600.0) -> str:
    """Run a program to its end and return what it printed; raise `CommandFailed` with its words otherwise."""
    parts = [str(part) for part in command]
    try:
        done = subprocess.run(parts, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise CommandFailed(f"{parts[0]} is not installed on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"`{' '.join(parts)}` took longer than {timeout:.0f} s") from error
    if done.returncode != 0:
        said = "\n".join(filter(None, (done.stdout.strip()[-2000:], done.stderr.strip()[-2000:])))
        raise CommandFailed(f"`{' '.join(parts)}` ended with {done.returncode}:\n{said}")
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, *, timeout: float = 60.0, interval: float = 0.1) -> None:
    """Ask `condition` until it is true; raise `NotReady` naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} was not ready within {timeout:.0f} s")
        time.sleep(interval)


def last_lines(log: Path, count: int = LOG_LINES_IN_ERRORS) -> str:
    """Return the end of a log, indented; or that there is none."""
    if not log.exists():
        return "(no log)"
    lines = processes.tail(log, count).splitlines()
    return "\n".join(f"  {line[:500]}" for line in lines) or "  (its log is empty)"


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
