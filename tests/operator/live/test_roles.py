"""No rule of the chart's roles is superfluous: each one removed, something fails."""

import asyncio
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loppestars_operator.access import policy_text, rules, rules_text
from loppestars_operator.kinds import OWNED_KINDS, STACK, kind_named
from loppestars_operator.kube.client import KubeClient
from tests.factories.cluster_client import Client, eventually
from tests.factories.control_plane import running_control_plane
from tests.factories.kubelet import FakeKubelet
from tests.factories.operator_process import (
    CHARTS,
    OperatorProcess,
    chart,
    grant,
    install_chart,
)
from tools.cluster.control_plane import ControlPlane

LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
LEASE_RULES = [LEASES | {"verbs": ["create"]}, LEASES | {"verbs": ["get", "update"]}]
# Missed only on a hardened API server, which has a test of its own.
FINALIZERS = next(rule for rule in rules() if rule["verbs"] == ["update"])
REMOVABLE = [*(rule for rule in rules() if rule != FINALIZERS), *LEASE_RULES]
QUEUE_DEPTH = {"autoscaling": {"minReplicas": 1, "maxReplicas": 3, "queueDepth": 5}}
NO_MONITORING = {"mode": "Disabled"}
BACKUPS = {"bucket": "wal", "endpoint": "http://s3:7070", "credentialsSecretRef": {"name": "vault"}}
OWN_DATABASE = {
    "secretRef": {"name": "second-database-app", "key": "uri"},
    "cloudNativePG": {"instances": 1, "backups": BACKUPS},
}


def chart_roles(*options: str) -> list[dict[str, Any]]:
    kinds = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
    return [document for document in chart("loppestars-operator", *options) if document["kind"] in kinds]


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


class TestRoles:
    """No rule of the chart's roles is superfluous: each one removed, something fails."""

    def test_chart_holds_the_generated_rules(self) -> None:
        """`make crds` was run after the operator's needs changed."""
        assert (CHARTS / "loppestars-operator" / "files" / "rules.yaml").read_text() == rules_text()

    def test_policy_is_up_to_date(self) -> None:
        """The chart's admission policy is made of the operator's own."""
        assert (CHARTS / "loppestars-operator" / "files" / "policy.json").read_text() == policy_text()

    @pytest.mark.cluster
    def test_secrets(self, plane: ControlPlane) -> None:
        """One at a time by its name, for the label that reserves it; none where nothing asks for it."""

        def verbs(*options: str) -> list[list[str]]:
            documents = chart_roles(*options)
            found = [rule for document in documents for rule in document.get("rules", ())]
            return [rule["verbs"] for rule in found if "secrets" in rule["resources"]]

        assert verbs() == [["get"]]
        assert verbs("--set", "reserveSecrets=false") == []

    def test_no_access_to_secrets_in_the_code_and_no_wildcards(self) -> None:
        """Least privilege is written down, not hoped for."""
        for rule in rules():
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]

    @pytest.mark.cluster
    def test_namespaced_mode_has_no_cluster_wide_role(self, plane: ControlPlane) -> None:
        """Roles in the chosen namespaces only."""
        documents = chart_roles("--set", "watchNamespaces={one,two}")
        assert {document["kind"] for document in documents} == {"Role", "RoleBinding"}
        assert {document["metadata"]["namespace"] for document in documents} == {"one", "two", "loppestars-system"}

    @pytest.mark.cluster
    async def test_namespaced_operator_works_with_roles_only(
        self, client: Client, plane: ControlPlane, kubelet: FakeKubelet, tmp_path: Path
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
    @pytest.mark.parametrize("cluster_wide", [False, True], ids=["namespaced", "cluster-wide"])
    @pytest.mark.parametrize("missing", REMOVABLE, ids=lambda rule: ",".join([*rule["resources"], *rule["verbs"][:1]]))
    async def test_each_rule_is_needed(
        self, with_addons: ControlPlane, tmp_path: Path, missing: dict[str, Any], *, cluster_wide: bool
    ) -> None:
        """The API server refuses the operator something, which it says in its log or in the stack's status."""
        user = f"without-{uuid.uuid4().hex[:6]}"
        left = [rule for rule in [*rules(), *LEASE_RULES] if rule != missing]
        async with await KubeClient.connect(str(with_addons.kubeconfig)) as kube:
            client = Client(kube, user)
            await kube.create(
                "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": user}}
            )
            await grant(client, user, left, leases=[], cluster_wide=cluster_wide)
            await client.apply_stack(gateway={"parentRefs": [{"name": "public"}]}, imaging=QUEUE_DEPTH)
            await crawl(client)
            environment = {"LEASE_NAMESPACE": user} | ({} if cluster_wide else {"WATCH_NAMESPACES": user})
            with OperatorProcess(with_addons, tmp_path / "operator.log", user=user, **environment) as operator:
                await until_refused(client, operator, "orbidden")

    @pytest.mark.e2e
    @pytest.mark.cluster
    @pytest.mark.parametrize("cluster_wide", [False, True], ids=["namespaced", "cluster-wide"])
    async def test_no_rule_is_missing(self, with_addons: ControlPlane, tmp_path: Path, *, cluster_wide: bool) -> None:
        """With all rules a stack with the kinds of every add-on becomes Ready, and nothing is refused on the way."""
        user = f"whole-{uuid.uuid4().hex[:6]}"
        async with await KubeClient.connect(str(with_addons.kubeconfig)) as kube:
            client = Client(kube, user)
            await kube.create(
                "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": user}}
            )
            await grant(client, user, [*rules(), *LEASE_RULES], leases=[], cluster_wide=cluster_wide)
            await client.apply_stack(gateway={"parentRefs": [{"name": "public"}]}, imaging=QUEUE_DEPTH)
            await crawl(client)
            environment = {"LEASE_NAMESPACE": user} | ({} if cluster_wide else {"WATCH_NAMESPACES": user})
            with OperatorProcess(with_addons, tmp_path / "operator.log", user=user, **environment) as operator:
                await client.ready(within=60)
                await client.apply_stack("second", database=OWN_DATABASE)
                for kind in OWNED_KINDS:
                    await eventually(partial(client.list, kind), within=60)
                await client.apply_stack(
                    gateway={"parentRefs": []}, ingress={"enabled": False}, monitoring=NO_MONITORING
                )

                async def pruned() -> bool:
                    kinds = (kind_named(name) for name in ("Ingress", "HTTPRoute", "PodMonitor", "PrometheusRule"))
                    return not any([await client.list(kind) for kind in kinds])

                await eventually(pruned, within=60)
                assert "orbidden" not in operator.text()

    @pytest.mark.e2e
    @pytest.mark.cluster
    async def test_finalizers_are_needed_on_a_hardened_api_server(self, kubelet: FakeKubelet, tmp_path: Path) -> None:
        """With OwnerReferencesPermissionEnforcement the chart's roles suffice, and without that rule they do not."""
        with running_control_plane(controllers=True) as plane, FakeKubelet(plane.kubeconfig):
            install_chart(plane)
            async with await KubeClient.connect(str(plane.kubeconfig)) as kube:
                client = Client(kube, "default")
                with OperatorProcess(plane, tmp_path / "whole.log"):
                    await client.apply_stack()
                    await client.ready(within=90)
                await grant(client, "weaker", [rule for rule in rules() if rule != FINALIZERS])
                await client.apply_stack("second")
                environment = {"WATCH_NAMESPACES": "default", "LEASE_NAMESPACE": "default"}
                with OperatorProcess(plane, tmp_path / "weaker.log", user="weaker", **environment) as operator:
                    await until_refused(client, operator, "you can't set finalizers on", "second")
