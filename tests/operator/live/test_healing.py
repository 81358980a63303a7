"""Whatever is deleted comes back, whatever is changed is put right, whatever is others' is left alone."""

import asyncio
import statistics
import time
from typing import Any

import pytest

from loppestars_operator.kinds import OWNED_KINDS, STACK, Manifest, OwnedKind, kind_named
from tests.factories.cluster_client import AuditLog, Client, condition, eventually
from tests.factories.operator_process import ACCOUNT, OperatorProcess

pytestmark = pytest.mark.cluster
HEALS_WITHIN = 2.0
DEPLOYMENT, POLICY, SERVICE = kind_named("Deployment"), kind_named("NetworkPolicy"), kind_named("Service")


async def owned(client: Client) -> list[tuple[OwnedKind, str]]:
    return [
        (kind, found["metadata"]["name"])
        for kind in OWNED_KINDS
        if not kind.addon and kind.kind != "Job"
        for found in await client.list(kind)
        if found["metadata"].get("ownerReferences")
    ]


API_LABELS = {"loppestars.dev/stack": "fair", "app.kubernetes.io/part-of": "x"}
EDITS: list[tuple[str, str, Any, list[Any]]] = [
    (
        "Deployment",
        "fair-api",
        {"spec": {"template": {"spec": {"enableServiceLinks": True}}}},
        ["spec", "template", "spec", "enableServiceLinks"],
    ),
    (
        "Deployment",
        "fair-api",
        {"metadata": {"labels": API_LABELS}},
        ["metadata", "labels", "app.kubernetes.io/part-of"],
    ),
    (
        "Service",
        "fair-api",
        {"spec": {"selector": {"app.kubernetes.io/component": "imaging"}}},
        ["spec", "selector", "app.kubernetes.io/component"],
    ),
    ("NetworkPolicy", "fair-imaging", {"spec": {"egress": [{}]}}, ["spec", "egress"]),
    ("NetworkPolicy", "fair-default-deny", {"spec": {"policyTypes": ["Ingress"]}}, ["spec", "policyTypes"]),
    ("Role", "fair-api", {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}, ["rules"]),
    ("ServiceAccount", "fair-api", {"automountServiceAccountToken": True}, ["automountServiceAccountToken"]),
    ("CronJob", "fair-crawler", {"spec": {"schedule": "1 1 * * *"}}, ["spec", "schedule"]),
    ("CronJob", "fair-crawler", {"spec": {"suspend": True}}, ["spec", "suspend"]),
    ("HorizontalPodAutoscaler", "fair-api", {"spec": {"maxReplicas": 99}}, ["spec", "maxReplicas"]),
    ("PodDisruptionBudget", "fair-api", {"spec": {"maxUnavailable": 3}}, ["spec", "maxUnavailable"]),
    ("Ingress", "fair-api", {"spec": {"rules": [{"host": "evil.example.com"}]}}, ["spec", "rules", 0, "host"]),
]


def value_at(manifest: Any, path: list[Any]) -> Any:
    for part in path:
        manifest = manifest[part]
    return manifest


class TestHealing:
    """Whatever is deleted comes back, whatever is changed is put right, whatever is others' is left alone."""

    async def test_each_deleted_object_comes_back(self, client: Client, operator: OperatorProcess) -> None:
        """Every owned object, one after the other."""
        await client.apply_stack()
        await client.ready()
        took = []
        for kind, name in await owned(client):
            before = await client.get(kind, name)
            assert before
            began = time.monotonic()
            await client.delete(kind, name)

            async def back(kind: OwnedKind = kind, name: str = name, before: Manifest = before) -> bool:
                live = await client.get(kind, name)
                return live is not None and live["metadata"]["uid"] != before["metadata"]["uid"]

            await eventually(back)
            took.append(time.monotonic() - began)
        assert len(took) >= 20
        assert max(took) < HEALS_WITHIN, f"median {statistics.median(took):.2f} s, slowest {max(took):.2f} s"

    async def test_what_is_deleted_again_at_once_comes_back_again(
        self, client: Client, operator: OperatorProcess
    ) -> None:
        """Deleted the moment it is there, while the Deployment rolls out: the answer to a write is then old news."""
        await client.apply_stack()
        await client.ready()
        scaler, seen = kind_named("HorizontalPodAutoscaler"), set()
        for number in range(8):
            change = {"spec": {"api": {"pod": {"annotations": {"try": str(number)}}}}}
            await client.patch(STACK, "fair", change)

            async def back() -> bool:
                live = await client.get(scaler, "fair-api")
                return live is not None and live["metadata"]["uid"] not in seen

            await eventually(back, within=HEALS_WITHIN)
            live = await client.get(scaler, "fair-api")
            assert live
            seen.add(live["metadata"]["uid"])
            await client.delete(scaler, "fair-api")
        await eventually(back, within=HEALS_WITHIN)

    async def test_each_edit_of_an_owned_field_is_reverted(self, client: Client, operator: OperatorProcess) -> None:
        """Scalars, keyed lists, atomic lists and maps, of every shape that is rendered."""
        await client.apply_stack()
        await client.ready()
        for kind_name, name, change, path in EDITS:
            kind = kind_named(kind_name)
            before = await client.get(kind, name)
            assert before
            edited = await client.patch(kind, name, change, manager="kubectl-edit")
            assert value_at(edited, path) != value_at(before, path)

            async def reverted(
                kind: OwnedKind = kind, name: str = name, path: list[Any] = path, before: Manifest = before
            ) -> bool:
                live = await client.get(kind, name)
                return live is not None and value_at(live, path) == value_at(before, path)

            await eventually(reverted, within=HEALS_WITHIN)

    async def test_what_others_own_is_left_alone(
        self, client: Client, operator: OperatorProcess, audit: AuditLog
    ) -> None:
        """An annotation, a sidecar, a label of a node team, an autoscaler's replicas."""
        await client.apply_stack()
        await client.ready()
        await asyncio.sleep(1)
        began = audit.mark()
        await client.patch(DEPLOYMENT, "fair-api", {"metadata": {"annotations": {"team": "web"}}})
        await client.patch(SERVICE, "fair-api", {"metadata": {"labels": {"cost": "7"}}})
        sidecar = {"name": "proxy", "image": "registry.example.com/proxy:1"}
        await client.kube.call(
            "PATCH",
            DEPLOYMENT.path(client.namespace, "fair-api"),
            body={"spec": {"template": {"spec": {"containers": [sidecar]}}}},
            params={"fieldManager": "injector"},
            content_type="application/strategic-merge-patch+json",
        )
        await client.patch(DEPLOYMENT, "fair-imaging", {"spec": {"replicas": 3}}, manager="autoscaler")
        await asyncio.sleep(2)
        deployment = await client.get(DEPLOYMENT, "fair-api")
        imaging = await client.get(DEPLOYMENT, "fair-imaging")
        assert deployment
        assert imaging
        assert deployment["metadata"]["annotations"]["team"] == "web"
        assert {container["name"] for container in deployment["spec"]["template"]["spec"]["containers"]} == {
            "api",
            "proxy",
        }
        assert imaging["spec"]["replicas"] == 3
        mine = audit.writes(ACCOUNT, began, client.namespace)
        assert [entry for entry in mine if "loppestarsstacks" not in entry and "events" not in entry] == []

    async def test_quantities_read_back_in_another_form_are_no_drift(
        self, client: Client, operator: OperatorProcess, audit: AuditLog
    ) -> None:
        """`1000m` is stored as `1`: comparing text would write for ever."""
        await client.apply_stack(
            api={"resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "1Gi"}}},
            imaging={"resources": {"requests": {"cpu": "0.0001", "memory": "0.5Gi"}, "limits": {"memory": "1024Pi"}}},
        )
        await client.ready()
        await asyncio.sleep(1)
        began = audit.mark()
        await client.annotate("fair", reconcile="now")
        await asyncio.sleep(1)
        assert audit.writes(ACCOUNT, began, client.namespace) == []

    async def test_what_is_no_longer_rendered_is_pruned(self, client: Client, operator: OperatorProcess) -> None:
        """The Ingress goes with its spec; an object that only looks like ours stays."""
        await client.apply_stack()
        await client.ready()
        lookalike = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": "somebody-elses",
                "namespace": client.namespace,
                "labels": {"app.kubernetes.io/managed-by": "loppestars-operator", "loppestars.dev/stack": "fair"},
            },
            "spec": {"podSelector": {}},
        }
        await client.kube.apply(POLICY.path(client.namespace, "somebody-elses"), lookalike, manager="tests")
        await client.apply_stack(networkPolicy={"enabled": False}, ingress={"enabled": False})

        async def names() -> list[str]:
            left = [*await client.list(POLICY), *await client.list(kind_named("Ingress"))]
            return [item["metadata"]["name"] for item in left]

        async def pruned() -> bool:
            return await names() == ["somebody-elses"]

        await eventually(pruned)

    async def test_replicas_are_handed_over_at_their_live_value(
        self, client: Client, operator: OperatorProcess
    ) -> None:
        """From a fixed number to an autoscaler, without falling to one pod in between."""
        await client.apply_stack(api={"replicas": 3})
        await client.ready()
        seen = set()

        async def handed_over() -> bool:
            live = await client.get(DEPLOYMENT, "fair-api")
            assert live
            seen.add(live["spec"]["replicas"])
            return await client.get(kind_named("HorizontalPodAutoscaler"), "fair-api") is not None

        stack = await client.apply_stack(api={"autoscaling": {"minReplicas": 3, "maxReplicas": 5}})
        assert "replicas" not in stack["spec"]["api"]
        await eventually(handed_over)
        await asyncio.sleep(1)
        await handed_over()
        assert seen == {3}

    async def test_what_has_the_name_of_ours_but_is_somebody_elses(
        self, client: Client, operator: OperatorProcess
    ) -> None:
        """It is not taken over, the status names it, and the stack goes on once it is gone."""
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "fair-api", "namespace": client.namespace},
            "spec": {"selector": {"app.kubernetes.io/name": "another"}, "ports": [{"name": "http", "port": 80}]},
        }
        await client.kube.apply(SERVICE.path(client.namespace, "fair-api"), service, manager="helm")
        await client.apply_stack()
        status = await client.stack_when(lambda status: condition(status, "Stalled")["reason"] == "NameTaken")
        message = condition(status, "Stalled")["message"]
        assert message.startswith(f"Service {client.namespace}/fair-api exists without this stack's label and owner")
        live = await client.get(SERVICE, "fair-api")
        assert live
        assert live["spec"]["selector"] == {"app.kubernetes.io/name": "another"}
        assert "ownerReferences" not in live["metadata"]
        await client.delete(SERVICE, "fair-api")
        await client.annotate("fair", reconcile="1")
        await client.ready()

    async def test_ours_whose_labels_somebody_took(self, client: Client, operator: OperatorProcess) -> None:
        """Not seen by the watches any more, and still ours."""
        await client.apply_stack()
        await client.ready()
        before = await client.get(SERVICE, "fair-api")
        assert before
        labels = {"app.kubernetes.io/managed-by": "somebody", "loppestars.dev/stack": "other"}
        await client.patch(SERVICE, "fair-api", {"metadata": {"labels": labels}}, manager="kubectl-edit")

        async def back() -> bool:
            live = await client.get(SERVICE, "fair-api")
            return live is not None and live["metadata"]["labels"] == before["metadata"]["labels"]

        await eventually(back, within=HEALS_WITHIN)
