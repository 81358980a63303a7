"""What the node needs from the operating system, installed from Debian only where it is missing."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.cluster.errors import UnsupportedMachine
from tools.cluster.processes import run

# What we look for, and the Debian package that brings it.
NODE_PROGRAMS: Final = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "openssl": "openssl",
}
IMAGE_PROGRAMS: Final = {"buildah": "buildah", "debootstrap": "debootstrap"}
PROMETHEUS_PROGRAMS: Final = {"prometheus": "prometheus", "promtool": "prometheus"}


def missing(programs: Mapping[str, str]) -> list[str]:
    """Return the packages whose programs this machine lacks."""
    # Administration programs lie in sbin, which an ordinary user's PATH may leave out.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    absent = (package for program, package in programs.items() if not _is_there(program, path))
    return sorted(set(absent))


def ensure(programs: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Install what is missing, saying so; raise `UnsupportedMachine` where that cannot be done."""
    packages = missing(programs)
    if not packages:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        names = ", ".join(packages)
        raise UnsupportedMachine(f"missing on this machine: {names} (names of Debian). Install them and try again.")
    say(f"installing Debian packages: {' '.join(packages)}")
    # The packages bring services of their own; without a policy against it they would be started on this machine.
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    run([*quiet, "apt-get", "update", "-qq"], timeout=300)
    run(
        [
            *quiet,
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            *packages,
        ],
        timeout=900,
    )
    still = missing(programs)
    if still:
        raise UnsupportedMachine(f"installed, but their programs are not found: {', '.join(still)}")


def _is_there(program: str, path: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program, path=path) is not None
