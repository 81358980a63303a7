"""What happens to the platform: processes killed and frozen, storage away, a disk full; one at a time, at random."""

import contextlib
import ctypes
import itertools
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable  # noqa: TC003 - part of an annotation
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from loppestars_core.kit.processes import Child
from loppestars_local.ports import free_ports
from tests.factories.platform import Stack

LISTS: Final = "lists"
PHOTOS: Final = "photos"
_DISK: Final = "192m"
_READY_SECONDS: Final = 120
_MAX_FREEZE_SECONDS: Final = 6.0


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which a fault was there, and what it takes away by its nature: not to be held against latencies."""

    began: float
    ended: float
    takes: frozenset[str]


class Platform:
    """Two API processes, two imaging workers, PostgreSQL, and storage on a small disk where mounting is allowed."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder)
        self.small_disk = _mount(self.stack.storage)
        for bucket in ("stall-photos", "stall-photos-processed"):
            (self.stack.storage / bucket).mkdir()
        self.ports = [self.stack.addresses.api, *free_ports(1)]
        self.api = [self._start_api(number) for number in range(2)]
        self.imaging = [self.stack.start_imaging() for _ in range(2)]

    def _start_api(self, number: int) -> Child:
        variables = {"PORT": str(self.ports[number]), "METRICS_PORT": str(free_ports(1)[0])}
        child = self.stack.start(self.stack.platform.api(), **variables)
        url = f"http://127.0.0.1:{self.ports[number]}/serving"
        self.stack.wait_until(lambda: _serves(url), "the API", child, _READY_SECONDS)
        return child

    def kill_api(self, number: int) -> None:
        """Kill -9 one of the API's processes, and start another one in its place."""
        self.stack.kill(self.api[number])
        self.api[number] = self._start_api(number)

    def kill_imaging(self, number: int) -> None:
        """Kill -9 one of the workers, and start another one in its place."""
        self.stack.kill(self.imaging[number])
        self.imaging[number] = self.stack.start_imaging()

    def restart_postgres(self) -> None:
        """Kill -9 the server and all its processes at once, and start it again."""
        server = self.stack.postgres.process
        assert server is not None  # noqa: S101 - it was started
        _signal([server.pid, *descendants(server.pid)], signal.SIGKILL)
        server.wait()
        time.sleep(1)
        self.stack.postgres.start()

    def close(self) -> None:
        self.stack.close()
        if self.small_disk:
            subprocess.run(["/bin/umount", "--lazy", str(self.stack.storage)], check=True)


def _serves(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=5).is_success
    return False


def _mount(folder: Path) -> bool:
    command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0777", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid` (proc(5), field 4 of stat)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, level = [], [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Faults:
    """One fault after the other with a pause between; `windows` and `counts` say what happened."""

    def __init__(self, platform: Platform, seed: int) -> None:
        self._platform = platform
        self._random = random.Random(seed)  # noqa: S311 - a run can be repeated
        self.counts: Counter[str] = Counter()
        self.windows: list[Window] = []
        nothing, photos, both = frozenset[str](), frozenset({PHOTOS}), frozenset({LISTS, PHOTOS})
        # A killed process of the API takes nothing away: there is another one.
        self._kinds: list[tuple[str, frozenset[str], Callable[[], None]]] = [
            ("API killed", nothing, lambda: platform.kill_api(self._random.randrange(2))),
            ("API frozen", both, lambda: self._freeze([platform.api[self._random.randrange(2)].pid])),
            ("imaging killed", photos, lambda: platform.kill_imaging(self._random.randrange(2))),
            ("imaging frozen", photos, lambda: self._freeze([platform.imaging[self._random.randrange(2)].pid])),
            ("engine killed", photos, self._kill_engine),
            ("engine frozen", photos, lambda: self._freeze(self._engines()[:1])),
            ("PostgreSQL killed", both, platform.restart_postgres),
            ("PostgreSQL frozen", both, self._freeze_postgres),
            ("results away", photos, lambda: self._away("stall-photos-processed")),
            ("originals away", photos, lambda: self._away("stall-photos")),
        ]
        if platform.small_disk:
            self._kinds.append(("disk full", photos, self._fill_disk))

    def run(self, seconds: float) -> None:
        """Let each kind happen once, in a random order, and again, until the time has passed."""
        end = time.monotonic() + seconds
        for kinds in itertools.repeat(self._kinds):
            for name, takes, fault in self._random.sample(kinds, len(kinds)):
                time.sleep(self._random.uniform(2, 6))
                if time.monotonic() >= end:
                    return
                began = time.monotonic()
                fault()
                self.windows.append(Window(began, time.monotonic(), takes))
                self.counts[name] += 1

    def _last(self) -> None:
        time.sleep(self._random.uniform(1, _MAX_FREEZE_SECONDS))

    def _freeze(self, pids: list[int]) -> None:
        _signal(pids, signal.SIGSTOP)
        try:
            self._last()
        finally:
            _signal(pids, signal.SIGCONT)

    def _freeze_postgres(self) -> None:
        server = self._platform.stack.postgres.process
        assert server is not None  # noqa: S101 - it was started
        self._freeze([server.pid, *descendants(server.pid)])

    def _engines(self) -> list[int]:
        return descendants(self._random.choice(self._platform.imaging).pid)

    def _kill_engine(self) -> None:
        _signal(self._engines()[:1], signal.SIGKILL)

    def _away(self, bucket: str) -> None:
        """Put a file where the folder of a bucket should be: in one step, so that nothing is made in between."""
        folder = self._platform.stack.storage / bucket
        other = folder.with_name(f"{bucket}.away")
        other.write_text("a file where the folder should be")
        exchange(folder, other)
        try:
            self._last()
        finally:
            exchange(folder, other)
            other.unlink()

    def _fill_disk(self) -> None:
        filler = self._platform.stack.storage / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
            self._last()
        filler.unlink()


def exchange(one: Path, other: Path) -> None:
    """Let two names change places (renameat2(2), RENAME_EXCHANGE)."""
    if ctypes.CDLL(None, use_errno=True).renameat2(-100, bytes(one), -100, bytes(other), 2):
        raise OSError(ctypes.get_errno(), f"{one} cannot change places with {other}")
