"""Processes of pods as the machine sees them: the node's containers are the machine's own processes."""

import contextlib
import os
import signal
from pathlib import Path


def kill_pod(uid: str) -> int:
    """SIGKILL every process of a pod at once, as a machine that fails does it; returns how many there were."""
    # cgroup drivers write the uid with dashes or underscores.
    names = (uid, uid.replace("-", "_"))
    killed = 0
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            if any(name in (directory / "cgroup").read_text() for name in names):
                os.kill(int(directory.name), signal.SIGKILL)
                killed += 1
    return killed
