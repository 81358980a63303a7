"""The node, the images and the platform on it: made once, used by all scenarios in the order of their numbers."""

import os
import platform
import time

import pytest

from tests.e2e.support.audit import AuditLog
from tests.e2e.support.client import Ingress
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.figures import FIGURES
from tests.e2e.support.stack import KIND, Stack, sample
from tools.cluster import images as image_builds
from tools.cluster.node import Node
from tools.cluster.paths import REPOSITORY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    if FIGURES:
        terminalreporter.section("measured")
        for line in FIGURES:
            terminalreporter.write_line(line)


def say(line: str) -> None:
    """Progress of minutes-long steps; pytest shows it with -s or when a test fails."""
    print(line)  # noqa: T201 - progress of long steps


@pytest.fixture(scope="session")
def node() -> Node:
    """The node of this machine, up. It stays up afterwards: `make cluster-down` ends it."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        pytest.skip("the end-to-end tests need Linux and root: a node of their own")
    node = Node(say)
    node.up()
    return node


@pytest.fixture(scope="session")
def cluster(node: Node) -> Cluster:
    return Cluster(node.kubeconfig)


@pytest.fixture(scope="session")
def audit(node: Node) -> AuditLog:
    return AuditLog(node.audit_log)


@pytest.fixture(scope="session")
def images(node: Node) -> str:
    """The version under which this tree's images are in the node's registry.

    LOPPESTARS_E2E_IMAGES=present takes those that are there.
    """
    version = image_builds.project_version()
    if os.environ.get("LOPPESTARS_E2E_IMAGES") != "present":
        image_builds.make(image_builds.NAMES, version, node, say)
    return version


@pytest.fixture(scope="session")
def operator(cluster: Cluster, images: str) -> Cluster:
    """The operator by its chart, two replicas, with exactly the chart's rights; the cluster within its namespace."""
    system = cluster.within("loppestars-system")
    chart = str(REPOSITORY / "charts" / "loppestars-operator")
    system.helm(
        "upgrade", "--install", "loppestars-operator", chart, "--create-namespace", "--wait", "--timeout=120s",
        f"--set=image.tag={images}", f"--values={REPOSITORY / 'k8s/dev/operator-values.yaml'}",
    )  # fmt: skip
    # Helm restarts nothing for the same tag, and the image may be a newer one.
    system.kubectl("rollout", "restart", "deployment/loppestars-operator")
    system.kubectl("rollout", "status", "deployment/loppestars-operator", "--timeout=120s", timeout=140)
    return system


@pytest.fixture(scope="session")
def installation(cluster: Cluster, operator: Cluster, node: Node) -> tuple[Stack, float]:
    """The minimal sample in a fresh namespace with the development services, and the seconds until it was Ready."""
    within = cluster.within("fair")
    cluster.kubectl("delete", "namespace", "fair", "--ignore-not-found", "--timeout=120s", timeout=140)
    cluster.kubectl("create", "namespace", "fair")
    within.apply((REPOSITORY / "k8s" / "dev" / "services.yaml").read_text())
    began = time.monotonic()
    within.apply(sample("01-minimal"))
    within.wait("condition=Ready", f"{KIND}/fair", seconds=180)
    return Stack(within, "fair", Ingress(node.http_url, "loppestars.example.com")), time.monotonic() - began


@pytest.fixture
def stack(installation: tuple[Stack, float]) -> Stack:
    """The minimal stack; a test leaves it as it found it."""
    return installation[0]
