"""The node's pods live below one cgroup of our own, so that `down` finds every process of every pod."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = "loppestars-node"
HIERARCHIES: Final = Path("/sys/fs/cgroup")


def create() -> None:
    """Make our cgroup in every hierarchy (version 1) or the one (version 2)."""
    for directory in _roots():
        directory.mkdir(exist_ok=True)
        _inherit_cpuset(directory)
        _weigh(directory)


def end_processes(patience: float = 10.0) -> None:
    """SIGKILL everything below our cgroup, until nothing is left."""
    deadline = time.monotonic() + patience
    while (pids := set(_pids())) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def remove() -> None:
    """Remove our empty cgroups, innermost first; one that is still busy stays, and `create` takes it up again."""
    for root in _roots():
        if root.is_dir():
            for directory in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    directory.rmdir()
            with contextlib.suppress(OSError):
                root.rmdir()


def _roots() -> list[Path]:
    if (HIERARCHIES / "cgroup.controllers").exists():
        return [HIERARCHIES / ROOT]
    return [hierarchy / ROOT for hierarchy in HIERARCHIES.iterdir() if (hierarchy / "cgroup.procs").exists()]


def _pids() -> Iterator[int]:
    for root in _roots():
        for file in root.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, file.read_text().split())


def _weigh(directory: Path) -> None:
    """Give all pods together what kubelet gives them on a machine of its own: 1,024 shares a core, not those of one."""
    shares = 1024 * (os.cpu_count() or 1)
    for name, value in (("cpu.shares", shares), ("cpu.weight", max(100, min(10_000, shares * 100 // 1024)))):
        if (directory / name).exists():
            (directory / name).write_text(str(value))


def _inherit_cpuset(directory: Path) -> None:
    # A new cpuset of version 1 is empty, and nothing may join an empty one.
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = directory / name
        if file.exists() and not file.read_text().strip():
            file.write_text((directory.parent / name).read_text())
