"""The same cluster by kind, for machines where a container engine runs."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.cluster import addons, tools
from tools.cluster.containers import program_archive
from tools.cluster.paths import cache_directory
from tools.cluster.processes import run

CLUSTER: Final = "loppestars"
# kind brings its own DNS and programs; these are ours, built like the node's.
IMAGES: Final = ("metrics-server", "traefik")
TOOLS: Final = ("kubectl", "helm", *IMAGES)
HTTP_PORT, HTTPS_PORT = 30080, 30443


def docker_runs() -> bool:
    """Return whether a Docker engine answers; the client alone does not count."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(command, capture_output=True, timeout=15, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class KindCluster:
    """A kind cluster with our add-ons, its ingress on loopback."""

    http_url = f"http://127.0.0.1:{HTTP_PORT}"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    @property
    def kubeconfig(self) -> Path:
        return cache_directory() / "kind.kubeconfig"

    def up(self) -> None:
        """Create the cluster unless it exists, and install what it lacks."""
        kind = self._program()
        tools.build(TOOLS, jobs=None, say=self._say)
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        if CLUSTER not in run([kind, "get", "clusters"]).split():
            run([kind, "create", "cluster", f"--name={CLUSTER}", "--config=-"], stdin=configuration(), timeout=900)
        run([kind, "export", "kubeconfig", f"--name={CLUSTER}", f"--kubeconfig={self.kubeconfig}"])
        with tempfile.TemporaryDirectory() as scratch:
            for name in IMAGES:
                archive = program_archive(Path(scratch), name)
                run([kind, "load", "image-archive", f"--name={CLUSTER}", archive])
        kubectl = addons.Kubectl(self.kubeconfig)
        kubectl.apply_files(addons.crd_files())
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for name in ("metrics-server", "ingress"):
            kubectl.apply(addons.rendered(name))
        for name in IMAGES:
            kubectl("-n", "kube-system", "rollout", "status", f"deployment/{name}", "--timeout=110s")
        self._say(f"ready: kind cluster {CLUSTER}, ingress at {self.http_url}")

    def down(self) -> None:
        run([self._program(), "delete", "cluster", f"--name={CLUSTER}"])
        self.kubeconfig.unlink(missing_ok=True)

    def load(self, archive: Path) -> None:
        run([self._program(), "load", "image-archive", f"--name={CLUSTER}", archive])

    def status(self) -> dict[str, str]:
        running = CLUSTER in run([self._program(), "get", "clusters"]).split()
        return {f"kind cluster {CLUSTER}": "running" if running else "stopped"}

    def _program(self) -> str:
        installed = shutil.which("kind")
        if installed:
            return installed
        tools.build(["kind"], jobs=None, say=self._say)
        return str(tools.find(["kind"])["kind"])


def configuration() -> str:
    """Return one node whose ingress ports are open on loopback."""
    ports = [
        {"containerPort": port, "hostPort": port, "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for port in (HTTP_PORT, HTTPS_PORT)
    ]
    nodes = [{"role": "control-plane", "extraPortMappings": ports}]
    return json.dumps({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes})
