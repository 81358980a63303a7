"""The node's network: a namespace of its own, joined to this machine by one virtual cable.

The machine keeps its own interfaces, routes and firewall; it only gains one end of the cable, which `remove` takes
away.
"""

import os
from pathlib import Path
from typing import Final

from tools.cluster.processes import ProcessIdentity, run

NAMESPACE: Final = "loppestars-node"
CABLE: Final = "loppestars0"
NODE_END: Final = "node0"
MACHINE_ADDRESS: Final = "10.88.0.254"
NODE_ADDRESS: Final = "10.88.0.1"
POD_ADDRESSES: Final = "10.244.0.0/24"
CLUSTER_ADDRESSES: Final = "10.244.0.0/16"


def exists() -> bool:
    return Path(f"/run/netns/{NAMESPACE}").exists()


def create() -> None:
    """Make namespace and cable; keeps what is there, mends what a killed run left half done."""
    if not exists():
        run(["ip", "netns", "add", NAMESPACE])
    _inside("ip", "link", "set", "lo", "up")
    if not Path(f"/sys/class/net/{CABLE}").exists():
        run(["ip", "link", "add", CABLE, "type", "veth", "peer", "name", NODE_END, "netns", NAMESPACE])
    run(["ip", "address", "replace", f"{MACHINE_ADDRESS}/24", "dev", CABLE])
    run(["ip", "link", "set", CABLE, "up"])
    _inside("ip", "address", "replace", f"{NODE_ADDRESS}/24", "dev", NODE_END)
    _inside("ip", "link", "set", NODE_END, "up")
    _inside("ip", "route", "replace", "default", "via", MACHINE_ADDRESS)
    _inside("sysctl", "-qw", "net.ipv4.ip_forward=1")
    # Without it a Service's address is not rewritten for pods on the same bridge. Old kernels lack the key until the
    # bridge module is there; the bridge plugin sets it then.
    if Path("/proc/sys/net/bridge").exists():
        _inside("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")


def remove() -> None:
    if Path(f"/sys/class/net/{CABLE}").exists():
        run(["ip", "link", "delete", CABLE])
    if exists():
        run(["ip", "netns", "delete", NAMESPACE])


def processes_inside() -> list[ProcessIdentity]:
    """Return every process whose network namespace is the node's: all of them are ours, whoever recorded them."""
    if not exists():
        return []
    namespace = Path(f"/run/netns/{NAMESPACE}").stat().st_ino
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            inside = (directory / "ns/net").stat().st_ino == namespace
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        identity = ProcessIdentity.of(int(directory.name)) if inside else None
        if identity is not None:
            found.append(identity)
    return found


def _inside(*command: str) -> None:
    run(["nsenter", f"--net=/run/netns/{NAMESPACE}", *command])
