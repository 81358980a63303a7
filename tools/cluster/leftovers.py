"""What containerd's network plugins and kubelet write outside our directory, told from that of others and removed."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.cluster.errors import CommandFailed
from tools.cluster.processes import run

PLUGIN_RESULTS: Final = Path("/var/lib/cni/results")
CONTAINER_LOGS: Final = Path("/var/log/containers")
POD_NAMESPACES: Final = Path("/run/netns")


def remove_pod_networks(network_name: str, results: Path = PLUGIN_RESULTS, namespaces: Path = POD_NAMESPACES) -> None:
    """Remove the network namespaces of pods on `network_name`, and the plugins' notes about them."""
    for note in sorted(results.glob(f"{network_name}-*-*")):
        for namespace in _namespaces_in(note):
            mounted = namespaces / namespace
            with contextlib.suppress(CommandFailed):
                run(["umount", "--lazy", mounted])
            mounted.unlink(missing_ok=True)
        container = note.name.removeprefix(f"{network_name}-").rpartition("-")[0]
        (results / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
        note.unlink(missing_ok=True)


def remove_log_links(directory: Path, links: Path = CONTAINER_LOGS) -> None:
    """Remove kubelet's links to logs that lie below `directory`."""
    if links.is_dir():
        for link in links.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(directory):
                link.unlink(missing_ok=True)


def _namespaces_in(note: Path) -> Iterator[str]:
    try:
        interfaces = json.loads(note.read_text())["result"].get("interfaces", [])
    except (OSError, ValueError, KeyError):
        return
    for interface in interfaces:
        path = Path(interface.get("sandbox", ""))
        if path.name.startswith("cni-"):
            yield path.name
