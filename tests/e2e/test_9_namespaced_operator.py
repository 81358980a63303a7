"""An operator that may only see one namespace, by the command in its sample."""

from collections.abc import Iterator

import pytest

from tests.e2e.support.client import Ingress
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.stack import KIND, Stack, sample
from tools.cluster.errors import CommandFailed
from tools.cluster.node import Node
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e

SAMPLE = "k8s/samples/08-namespaced-operator.yaml"
ACCOUNT = "system:serviceaccount:shop:loppestars-operator"


@pytest.fixture
def shop(operator: Cluster, cluster: Cluster, images: str) -> Iterator[Cluster]:
    """The namespace of the sample, with an operator of its own; the cluster's rests meanwhile."""
    operator.kubectl("scale", "deployment/loppestars-operator", "--replicas=0")
    operator.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s")
    cluster.kubectl("create", "namespace", "shop")
    within = cluster.within("shop")
    within.apply((REPOSITORY / "k8s" / "dev" / "services.yaml").read_text())
    within.helm(
        "install", "loppestars-operator", str(REPOSITORY / "charts" / "loppestars-operator"),
        f"--values={REPOSITORY / SAMPLE}", "--wait", "--timeout=120s", f"--set=image.tag={images}",
    )  # fmt: skip
    yield within
    within.kubectl("delete", KIND, "--all", "--timeout=60s")
    within.helm("uninstall", "loppestars-operator", "--wait")
    cluster.kubectl("delete", "namespace", "shop", "--timeout=120s", timeout=140)
    operator.kubectl("scale", "deployment/loppestars-operator", "--replicas=2")
    operator.kubectl("rollout", "status", "deployment/loppestars-operator", "--timeout=120s", timeout=140)


def may(cluster: Cluster, verb: str, kind: str) -> bool:
    """Whether the operator may do that in this namespace."""
    try:
        return cluster.kubectl("auth", "can-i", verb, kind, f"--as={ACCOUNT}").strip() == "yes"
    except CommandFailed:  # its exit code for no
        return False


class TestNamespacedOperator:
    """An operator that may only see one namespace, by the command in its sample."""

    def test_runs_a_stack_and_sees_nothing_else(self, shop: Cluster, stack: Stack, node: Node) -> None:
        """Ready and serving in its namespace; no right anywhere else, and nothing of the cluster's."""
        shop.apply(sample("01-minimal").replace("loppestars.example.com", "shop.example.com"))
        shop.wait("condition=Ready", f"{KIND}/fair", seconds=180)
        here = Stack(shop, "fair", Ingress(node.http_url, "shop.example.com"))
        shop.until(lambda: here.ingress.get("/health").status == 200, "an answer through the ingress", 20)
        assert may(shop, "patch", "deployments.apps")
        assert not may(stack.cluster, "get", "deployments.apps")
        assert not may(stack.cluster, "get", "loppestarsstacks.loppestars.dev")
        for kind in ("namespaces", "nodes", "customresourcedefinitions.apiextensions.k8s.io"):
            assert not may(shop, "list", kind), kind
