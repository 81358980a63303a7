"""What runs in a local cluster besides Kubernetes: DNS, metrics, ingress, and the CRDs of optional add-ons."""

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.cluster import network, tools
from tools.cluster.containers import image_of
from tools.cluster.paths import MANIFESTS
from tools.cluster.processes import run

# Module, version, folder, and the files that we take of it: (prometheus-operator, Gateway API, KEDA, CloudNativePG).
CRD_SOURCES: Final = (
    (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd",
        ("monitoring.coreos.com_servicemonitors", "monitoring.coreos.com_podmonitors",
         "monitoring.coreos.com_prometheusrules"),
    ),
    (
        "sigs.k8s.io/gateway-api",
        "v1.4.0",
        "config/crd/standard",
        ("gateway.networking.k8s.io_backendtlspolicies", "gateway.networking.k8s.io_gatewayclasses",
         "gateway.networking.k8s.io_gateways", "gateway.networking.k8s.io_grpcroutes",
         "gateway.networking.k8s.io_httproutes", "gateway.networking.k8s.io_referencegrants"),
    ),
    (
        "github.com/kedacore/keda/v2",
        "v2.18.3",
        "config/crd/bases",
        ("keda.sh_scaledobjects", "keda.sh_triggerauthentications"),
    ),
    (
        "github.com/cloudnative-pg/cloudnative-pg",
        "v1.26.0",
        "config/crd/bases",
        ("postgresql.cnpg.io_clusters", "postgresql.cnpg.io_scheduledbackups"),
    ),
)  # fmt: skip


def crd_files() -> list[Path]:
    """Return the CRDs of the add-ons that we render for, from Go's module cache (downloaded once)."""
    return [
        tools.module_directory(module, version) / folder / f"{name}.yaml"
        for module, version, folder, names in CRD_SOURCES
        for name in names
    ]


def rendered(name: str) -> str:
    """Return one of our manifests with the images of this machine filled in."""
    template = string.Template((MANIFESTS / f"{name}.yaml").read_text())
    images = {tool.replace("-", "_"): image_of(tool) for tool in ("coredns", "metrics-server", "traefik")}
    return template.substitute(images, node_address=network.NODE_ADDRESS)


class Kubectl:
    """kubectl as administrator of one cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        self._program = tools.find(["kubectl"])["kubectl"]
        self._kubeconfig = kubeconfig

    def __call__(self, *arguments: str | Path, stdin: str | None = None, timeout: float = 120) -> str:
        return run([self._program, f"--kubeconfig={self._kubeconfig}", *arguments], stdin=stdin, timeout=timeout)

    def apply(self, manifest: str) -> None:
        self("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifest)

    def apply_files(self, files: Sequence[Path]) -> None:
        # Server-side: the annotation that the other kind of apply makes has no room for these CRDs.
        self("apply", "--server-side", "--force-conflicts", *[f"--filename={file}" for file in files])

    def get(self, *arguments: str) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self("get", *arguments, "--output=json"))
        return answer
