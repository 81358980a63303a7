"""No rule of the chart's roles is superfluous: each one removed, something fails."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from k8s.local import addons
from loppestars_operator.access import rules, rules_text
from loppestars_operator.kinds import OWNED_KINDS, STACK
from loppestars_operator.kube import Kube
from tests.factories.cluster_client import Client
from tests.factories.control_plane import running_control_plane
from tests.factories.kubelet import FakeKubelet
from tests.factories.operator_process import (
    CHARTS,
    OperatorProcess,
    chart,
    grant,
    install_chart,
    kubectl,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from k8s.local.control_plane import ControlPlane

# Kinds of add-ons cannot be missed where their CRDs are not installed.
ADDONS = {"gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com"}
FINALIZERS = next(rule for rule in rules() if rule["verbs"] == ["update"])
REMOVABLE = [rule for rule in rules() if rule["apiGroups"][0] not in ADDONS and rule != FINALIZERS]
OF_ADDONS = [rule for rule in rules() if rule["apiGroups"][0] in ADDONS]


def test_chart_holds_the_generated_rules() -> None:
    """`make crds` was run after the operator's needs changed."""
    assert (CHARTS / "loppestars-operator" / "files" / "rules.yaml").read_text() == rules_text()


def test_no_access_to_secrets_by_default_and_no_wildcards() -> None:
    """Least privilege is written down, not hoped for."""
    for rule in rules():
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "secrets" not in rule["resources"]


def chart_roles(*options: str) -> list[dict[str, Any]]:
    kinds = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
    return [one for one in chart("loppestars-operator", *options) if one["kind"] in kinds]


@pytest.mark.cluster
def test_namespaced_mode_has_no_cluster_wide_role(plane: ControlPlane) -> None:
    """Roles in the chosen namespaces only."""
    documents = chart_roles("--set", "watchNamespaces={one,two}")
    assert {one["kind"] for one in documents} == {"Role", "RoleBinding"}
    assert {one["metadata"]["namespace"] for one in documents} == {"one", "two", "loppestars-system"}


@pytest.mark.cluster
async def test_namespaced_operator_works_with_roles_only(
    client: Client, plane: ControlPlane, kubelet: FakeKubelet, tmp_path: Path
) -> None:
    """With rights in one namespace, a stack there becomes Ready and one elsewhere is not looked at."""
    user = f"namespaced-{uuid.uuid4().hex[:6]}"
    await grant(client, user, rules())
    environment = {"WATCH_NAMESPACES": client.namespace, "LEASE_NAMESPACE": client.namespace}
    with OperatorProcess(plane, tmp_path / "operator.log", user=user, **environment):
        await client.apply_stack()
        await client.ready()


@pytest.mark.e2e
@pytest.mark.cluster
@pytest.mark.parametrize("missing", REMOVABLE, ids=lambda rule: ",".join(rule["resources"]))
async def test_each_rule_is_needed(
    client: Client, plane: ControlPlane, kubelet: FakeKubelet, tmp_path: Path, missing: dict[str, Any]
) -> None:
    """The API server refuses the operator something, which it says in its log or in the stack's status."""
    user = f"without-{uuid.uuid4().hex[:6]}"
    await grant(client, user, [rule for rule in rules() if rule != missing])
    await client.apply_stack()
    await crawl(client)
    environment = {"WATCH_NAMESPACES": client.namespace, "LEASE_NAMESPACE": client.namespace}
    log = tmp_path / "operator.log"
    with OperatorProcess(plane, log, user=user, **environment) as operator:
        await until_refused(client, operator, "orbidden")


@pytest.fixture(scope="module")
def plane_with_addons() -> Iterator[ControlPlane]:
    """A control plane of its own that knows the kinds of all add-ons."""
    with running_control_plane(controllers=True, admission_plugins="") as plane:
        install_chart(plane)
        for path in addons.crd_files():
            made = kubectl(plane, "apply", "--server-side", "-f", str(path))
            assert made.returncode == 0, made.stderr
        yield plane


async def everything(client: Client) -> None:
    """A stack that asks for an object of every add-on's kind."""
    await client.apply_stack(
        imaging={"autoscaling": {"queueDepth": 10}},
        gateway={
            "hostnames": ["fair.example.com"],
            "parentRefs": [{"name": "public", "sectionName": "https", "redirectSectionName": "http"}],
        },
        monitoring={"mode": "Enabled"},
    )


@pytest.mark.cluster
async def test_with_all_rules_every_addon_is_served(plane_with_addons: ControlPlane, tmp_path: Path) -> None:
    """The rules of the chart suffice for all kinds of add-ons."""
    with FakeKubelet(plane_with_addons.kubeconfig):
        async with await Kube.connect(str(plane_with_addons.kubeconfig)) as kube:
            client = Client(kube, "default")
            await grant(client, "whole", rules())
            environment = {"WATCH_NAMESPACES": "default", "LEASE_NAMESPACE": "default"}
            with OperatorProcess(plane_with_addons, tmp_path / "operator.log", user="whole", **environment):
                await everything(client)
                await client.ready(within=60)
                for kind in OWNED_KINDS:
                    if kind.addon:
                        assert await client.list(kind), kind.kind
                await client.kube.delete(STACK.path("default", "fair"))


@pytest.mark.cluster
@pytest.mark.parametrize("missing", OF_ADDONS, ids=lambda rule: ",".join(rule["resources"]))
async def test_each_rule_of_an_addon_is_needed(
    plane_with_addons: ControlPlane, tmp_path: Path, missing: dict[str, Any]
) -> None:
    """One resource after the other is taken away, and something is refused."""
    for resource in missing["resources"]:
        namespace = f"without-{uuid.uuid4().hex[:6]}"
        assert kubectl(plane_with_addons, "create", "namespace", namespace).returncode == 0
        left = [one for one in missing["resources"] if one != resource]
        weaker = [rule for rule in rules() if rule != missing] + ([{**missing, "resources": left}] if left else [])
        with FakeKubelet(plane_with_addons.kubeconfig):
            async with await Kube.connect(str(plane_with_addons.kubeconfig)) as kube:
                client = Client(kube, namespace)
                await grant(client, namespace, weaker)
                environment = {"WATCH_NAMESPACES": namespace, "LEASE_NAMESPACE": namespace}
                log = tmp_path / f"{resource}.log"
                with OperatorProcess(plane_with_addons, log, user=namespace, **environment) as operator:
                    await everything(client)
                    await until_refused(client, operator, "orbidden")
                assert resource in operator.text() + str(await client.get(STACK, "fair"))


@pytest.mark.e2e
@pytest.mark.cluster
async def test_finalizers_are_needed_on_a_hardened_api_server(kubelet: FakeKubelet, tmp_path: Path) -> None:
    """With OwnerReferencesPermissionEnforcement the chart's roles suffice, and without that rule they do not."""
    with running_control_plane(controllers=True) as plane, FakeKubelet(plane.kubeconfig):
        install_chart(plane)
        async with await Kube.connect(str(plane.kubeconfig)) as kube:
            client = Client(kube, "default")
            with OperatorProcess(plane, tmp_path / "whole.log"):
                await client.apply_stack()
                await client.ready(within=90)
            await grant(client, "weaker", [rule for rule in rules() if rule != FINALIZERS])
            await client.apply_stack("second")
            environment = {"WATCH_NAMESPACES": "default", "LEASE_NAMESPACE": "default"}
            with OperatorProcess(plane, tmp_path / "weaker.log", user="weaker", **environment) as operator:
                await until_refused(client, operator, "you can't set finalizers on", "second")


async def until_refused(client: Client, operator: OperatorProcess, words: str, name: str = "fair") -> None:
    """Wait for the API server's words, in the log of the operator or in the stack's status."""
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        live = await client.get(STACK, name)
        if words in operator.text() + str(live):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"nothing failed without the rule:\n{operator.text()}")


async def crawl(client: Client) -> None:
    body = {
        "apiVersion": "loppestars.dev/v1alpha1",
        "kind": "Crawl",
        "metadata": {"name": "one", "namespace": client.namespace},
        "spec": {"stackRef": {"name": "fair"}},
    }
    await client.kube.create(f"/apis/loppestars.dev/v1alpha1/namespaces/{client.namespace}/crawls", body)
