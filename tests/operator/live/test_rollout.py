"""Versions: the migration gate, the switch, the automatic rollback, the retry."""

import asyncio

import pytest

from loppestars_operator.kinds import STACK, Manifest, kind_named
from tests.factories.cluster_client import AuditLog, Client, condition, eventually
from tests.factories.kubelet import Ended, FakeKubelet, Outcome, Waiting, healthy
from tests.factories.operator_process import ACCOUNT, OperatorProcess, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
DEPLOYMENT, JOB, POD = kind_named("Deployment"), kind_named("Job"), kind_named("Pod")
COMPONENT = "app.kubernetes.io/component"


def image_of(pod: Manifest) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image


def component_of(pod: Manifest) -> str:
    component: str = pod["metadata"]["labels"][COMPONENT]
    return component


async def images(client: Client) -> dict[str, str]:
    return {
        component_of(deployment["spec"]["template"]): image_of(deployment["spec"]["template"])
        for deployment in await client.list(DEPLOYMENT)
    }


async def pod_ids(client: Client, component: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in await client.list(POD) if component_of(pod) == component}


class TestRollout:
    """Versions: the migration gate, the switch, the automatic rollback, the retry."""

    async def test_upgrade_migrates_first_and_restarts_only_what_changed(
        self, client: Client, operator: OperatorProcess, audit: AuditLog
    ) -> None:
        """A new API image: the Job before the Deployment; the imaging pods are the same as before."""
        await client.apply_stack()
        await client.ready()
        imaging = await pod_ids(client, "imaging")
        began = audit.mark()
        await client.apply_stack(api={"image": "ghcr.io/loppestars/api:0.1.1"}, version="0.1.0")
        await client.stack_when(
            lambda status: (
                condition(status, "Ready")["status"] == "True"
                and status["components"][0]["image"].endswith("api:0.1.1")
            )
        )
        writes = audit.writes(ACCOUNT, began, client.namespace)
        job = next(index for index, write in enumerate(writes) if write.startswith("patch jobs/fair-migrate-"))
        assert job < writes.index("patch deployments/fair-api")
        assert "patch deployments/fair-imaging" not in writes
        assert await pod_ids(client, "imaging") == imaging

    async def test_broken_image_is_rolled_back_and_held(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet, plane: ControlPlane
    ) -> None:
        """The old version never stops serving; a change of size does not retry; another version does."""

        def broken(pod: Manifest) -> Outcome:
            if image_of(pod).endswith("api:0.2.0") and component_of(pod) == "api":
                return Waiting("ImagePullBackOff", 'Back-off pulling image "ghcr.io/loppestars/api:0.2.0"')
            return healthy(pod)

        kubelet.rules[client.namespace] = broken
        quick = {"progressDeadlineSeconds": 10}
        await client.apply_stack(api=quick, imaging=quick)
        await client.ready()
        serving = await pod_ids(client, "api")
        await client.apply_stack(api=quick, imaging=quick, version="0.2.0")
        status = await client.stack_when(lambda status: status["phase"] == "RolledBack", within=40)
        ready = condition(status, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "RolledBack")
        assert "ImagePullBackOff" in ready["message"]
        assert "version 0.1.0 serves on" in ready["message"]
        assert condition(status, "Stalled")["status"] == "True"
        assert condition(status, "ApiAvailable")["status"] == "True"
        assert status["version"] == "0.1.0"
        assert [(entry["version"], entry["result"]) for entry in status["history"]] == [
            ("0.2.0", "RolledBack"),
            ("0.1.0", "Serving"),
        ]

        async def back() -> bool:
            return (await images(client))["api"].endswith(":0.1.0")

        await eventually(back)
        assert serving <= await pod_ids(client, "api")
        events = kubectl(plane, "-n", client.namespace, "get", "events", "-o", "jsonpath={.items[*].reason}").stdout
        assert "RolledBack" in events

        await client.apply_stack(api=quick | {"replicas": 2}, imaging=quick, version="0.2.0")
        await client.stack_when(lambda status: status["components"][0]["ready"] == 2)
        assert await back()

        kubelet.rules[client.namespace] = healthy
        await client.annotate("fair", retry="1")
        status = await client.stack_when(
            lambda status: status["version"] == "0.2.0" and condition(status, "Ready")["status"] == "True"
        )
        assert [entry["result"] for entry in status["history"]] == ["Serving", "RolledBack", "Replaced"]

    async def test_failed_migration_keeps_the_old_version(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """Stalled, with the Job's last words; a retry after the cause is mended goes on."""
        await client.apply_stack()
        await client.ready()

        def failing(pod: Manifest) -> Outcome:
            return Ended(1, "column markets.stalls already exists") if component_of(pod) == "migrate" else healthy(pod)

        kubelet.rules[client.namespace] = failing
        migration = {"secretRef": {"name": "loppestars-database"}, "migration": {"backoffLimit": 0}}
        await client.apply_stack(version="0.1.1", database=migration)
        status = await client.stack_when(lambda status: status["phase"] == "Stalled")
        assert condition(status, "DatabaseMigrated")["reason"] == "MigrationFailed"
        assert "column markets.stalls already exists" in condition(status, "Stalled")["message"]
        assert status["version"] == "0.1.0"
        assert (await images(client))["api"].endswith(":0.1.0")
        kubelet.rules[client.namespace] = healthy
        await client.annotate("fair", retry="once-more")
        status = await client.stack_when(lambda status: status["version"] == "0.1.1")
        assert (await client.ready())["phase"] == "Ready"

    async def test_finished_migration_is_not_made_again(self, client: Client, operator: OperatorProcess) -> None:
        """Its success is in the status: a Job that is cleaned away stays away."""
        await client.apply_stack()
        status = await client.ready()
        await client.delete(JOB, status["migration"]["job"])
        await client.annotate("fair", reconcile="1")
        await asyncio.sleep(1.5)
        assert await client.list(JOB) == []

    async def test_missing_secret_is_told_by_the_pod_and_heals(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """Without any right to Secrets; no restart, no retry by hand."""

        def waiting(pod: Manifest) -> Outcome:
            return Waiting("CreateContainerConfigError", 'secret "loppestars-database" not found')

        kubelet.rules[client.namespace] = waiting
        await client.apply_stack()
        status = await client.stack_when(
            lambda status: condition(status, "DatabaseMigrated")["reason"] == "CreateContainerConfigError"
        )
        assert 'secret "loppestars-database" not found' in condition(status, "Ready")["message"]
        kubelet.rules[client.namespace] = healthy
        await client.ready()

    async def test_stack_made_again_after_a_failed_migration(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """Deleted and applied again at once: the old Job's failure is not the new stack's."""

        def failing(pod: Manifest) -> Outcome:
            return Ended(1, "no such role") if component_of(pod) == "migrate" else healthy(pod)

        kubelet.rules[client.namespace] = failing
        migration = {"secretRef": {"name": "loppestars-database"}, "migration": {"backoffLimit": 0}}
        await client.apply_stack(database=migration)
        await client.stack_when(lambda status: status["phase"] == "Stalled")
        kubelet.rules[client.namespace] = healthy
        await client.delete(STACK, "fair")
        await client.apply_stack(database=migration)
        await client.ready()

    async def test_another_database_is_migrated_before_anything_is_sent_there(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """The same images, another Secret: as after a restore."""
        await client.apply_stack()
        await client.ready()

        def held(pod: Manifest) -> Outcome:
            return None if component_of(pod) == "migrate" else healthy(pod)

        async def database() -> set[str]:
            deployment = await client.get(DEPLOYMENT, "fair-api")
            assert deployment
            env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
            return {
                variable["valueFrom"]["secretKeyRef"]["name"] for variable in env if variable["name"] == "DATABASE_URL"
            }

        kubelet.rules[client.namespace] = held
        await client.apply_stack(database={"secretRef": {"name": "restored"}})
        status = await client.stack_when(lambda status: status["phase"] == "Migrating")
        assert condition(status, "ApiAvailable")["status"] == "True"
        await asyncio.sleep(1)
        assert await database() == {"loppestars-database"}
        kubelet.rules[client.namespace] = healthy
        await client.stack_when(lambda status: status["rollout"].get("database") == "restored/url")
        await client.ready()
        assert await database() == {"restored"}

    async def test_too_old_a_version_is_refused(self, client: Client, operator: OperatorProcess) -> None:
        """The operator says which versions it can run."""
        await client.apply_stack(version="0.0.9")
        status = await client.stack_when(lambda status: condition(status, "Stalled")["reason"] == "VersionTooOld")
        assert "0.1.0 and newer" in condition(status, "Stalled")["message"]

    async def test_paused_stack_is_left_alone(self, client: Client, operator: OperatorProcess) -> None:
        """Nothing is put right until it goes on."""
        await client.apply_stack()
        await client.ready()
        await client.apply_stack(paused=True)
        status = await client.stack_when(lambda status: status["phase"] == "Paused")
        assert "spec.paused" in condition(status, "Reconciling")["message"]
        await client.delete(DEPLOYMENT, "fair-imaging")
        await asyncio.sleep(1)
        assert await client.get(DEPLOYMENT, "fair-imaging") is None
        await client.apply_stack(paused=False)
        await client.ready()
        assert await client.get(DEPLOYMENT, "fair-imaging")

    async def test_what_the_schema_cannot_see_is_stalled_in_the_api_servers_words(
        self, client: Client, operator: OperatorProcess
    ) -> None:
        """A cron expression, a time zone, a limit below its request; the rest of the stack serves."""
        for crawler, words in (({"schedule": "61 25 * * *"}, "61 25"), ({"timeZone": "Europe/Kobenhavn"}, "timeZone")):
            name = f"wrong-{words[:2].lower()}"
            await client.apply_stack(name, crawler=crawler)
            status = await client.stack_when(
                lambda status: (
                    condition(status, "Stalled")["reason"] == "InvalidSpec"
                    and condition(status, "ApiAvailable")["status"] == "True"
                ),
                name,
            )
            assert words in condition(status, "Stalled")["message"]
            assert condition(status, "CrawlerScheduled")["reason"] == "InvalidSpec"
        await client.apply_stack("typo", api={"pod": {"affinity": {"podAntiAfinity": {}}}})
        status = await client.stack_when(lambda status: condition(status, "Stalled")["reason"] == "InvalidSpec", "typo")
        assert "podAntiAfinity: field not declared in schema" in condition(status, "Stalled")["message"]

    async def test_namespace_being_deleted(
        self, client: Client, operator: OperatorProcess, plane: ControlPlane
    ) -> None:
        """The operator does not fight the deletion, and everything goes."""
        await client.apply_stack()
        await client.ready()
        kubectl(plane, "delete", "namespace", client.namespace, "--wait=false")

        async def gone() -> bool:
            return await client.get(STACK, "fair") is None and not await client.list(DEPLOYMENT)

        await eventually(gone, within=40)
