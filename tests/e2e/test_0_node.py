"""The node itself: comes up, survives what happens to it, goes away without a trace."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.support.client import Ingress
from tests.e2e.support.cluster import Cluster
from tools.cluster import cgroups, network
from tools.cluster.errors import CommandFailed
from tools.cluster.leftovers import CONTAINER_LOGS, PLUGIN_RESULTS, POD_NAMESPACES
from tools.cluster.node import Node
from tools.cluster.processes import Daemon

pytestmark = pytest.mark.e2e


def machine_network() -> str:
    """Addresses, routes and firewall of the machine, without the one cable to the node."""
    commands = (["ip", "-oneline", "address"], ["ip", "route"], ["iptables-save"])
    lines = [
        line
        for command in commands
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        if network.CABLE not in line and not line.startswith(("#", ":")) and "valid_lft" not in line
    ]
    return "\n".join(lines)


def traces(node: Node) -> list[str]:
    """Everything of a node that can be left on a machine."""
    found = [str(path) for path in cgroups.HIERARCHIES.rglob(f"{cgroups.ROOT}*") if path.is_dir()]
    found += [str(path) for path in PLUGIN_RESULTS.glob("loppestars-*")]
    found += [str(path) for path in POD_NAMESPACES.glob("cni-*")]
    found += [str(link) for link in CONTAINER_LOGS.glob("*") if link.is_symlink() and not link.exists()]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"{node.directory}/" in line]
    found += [str(path) for path in (node.directory, Path(f"/sys/class/net/{network.CABLE}")) if path.exists()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(node.directory) in command:
            found.append(command)
    return found


def _top(cluster: Cluster) -> str:
    try:
        return cluster.kubectl("top", "nodes", "--no-headers")
    except CommandFailed:
        return ""


def _status(ingress: Ingress) -> int:
    try:
        return ingress.get("/").status
    except OSError:
        return 0


class TestNode:
    """The node itself: comes up, survives what happens to it, goes away without a trace."""

    def test_goes_away_without_a_trace(self, node: Node) -> None:
        """Down leaves no process, mount, cgroup, interface or file, and the network as it was with the node."""
        with_node = machine_network()
        node.down()
        assert traces(node) == []
        assert network.CABLE not in machine_network()
        assert machine_network() == with_node
        assert set(node.status().values()) == {"stopped"}

    def test_comes_up_from_a_start_that_was_killed(self, node: Node) -> None:
        """A kill -9 in the middle of `up` leaves nothing that the next `up` trips over."""
        starting = subprocess.Popen(
            [sys.executable, "-m", "tools.cluster", "up", "--kind=node"], stderr=subprocess.DEVNULL
        )
        apiserver = Daemon("kube-apiserver", node.directory)
        deadline = time.monotonic() + 60
        while apiserver.identity() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        starting.send_signal(signal.SIGKILL)
        starting.wait()
        began = time.monotonic()
        node.up()
        assert time.monotonic() - began < 120
        assert node.is_up()

    def test_up_again_heals_and_changes_nothing_else(self, node: Node, cluster: Cluster) -> None:
        """A program that was killed is started again; the others keep their processes, and objects stay."""
        cluster.kubectl("create", "configmap", "kept")
        before = {name: Daemon(name, node.directory).identity() for name in ("etcd", "kubelet", "kube-scheduler")}
        scheduler = before.pop("kube-scheduler")
        assert scheduler is not None
        os.kill(scheduler.pid, signal.SIGKILL)
        node.up()
        assert node.is_up()
        assert {name: Daemon(name, node.directory).identity() for name in before} == before
        cluster.delete("configmap", "kept")

    def test_metrics_dns_and_ingress_answer(self, cluster: Cluster, node: Node) -> None:
        """`kubectl top` has figures; the add-ons' CRDs are served; Traefik answers for a host that nobody has."""
        cluster.until(lambda: "loppestars" in _top(cluster), "metrics of the node", seconds=90, interval=2)
        served = cluster.kubectl("api-resources", "--output=name")
        for resource in (
            "podmonitors.monitoring.coreos.com",
            "httproutes.gateway.networking.k8s.io",
            "scaledobjects.keda.sh",
        ):
            assert resource in served
        ingress = Ingress(node.http_url, "nobody.example.com")
        cluster.until(lambda: _status(ingress) == 404, "Traefik through its node port", seconds=30)
