"""CloudNativePG's own CRDs take what is rendered; the migration waits for the Cluster to serve."""

from typing import Any

import pytest

from loppestars_operator.kinds import kind_named
from loppestars_operator.kube.client import KubeError
from tests.factories.cluster_client import Client, condition, eventually
from tests.factories.operator_process import operator_in_this_process

pytestmark = pytest.mark.cluster
CLUSTER, SCHEDULE, JOB = (kind_named(name) for name in ("Cluster", "ScheduledBackup", "Job"))
BACKUPS = {
    "bucket": "wal-bucket",
    "endpoint": "http://s3:7070",
    "serverName": "second",
    "credentialsSecretRef": {"name": "vault"},
}
DATABASE: dict[str, Any] = {
    "secretRef": {"name": "fair-database-app", "key": "uri"},
    "roles": {"api": {"name": "api-role"}},
    "cloudNativePG": {
        "instances": 1,
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "backups": BACKUPS,
        "recovery": {"serverName": "fair-database", "targetTime": "2026-05-01T12:00:00Z"},
    },
}


class TestCloudNativePG:
    async def test_the_migration_waits_for_the_cluster(self, lone_client: Client) -> None:
        """The real CRDs accept everything; without a primary nothing migrates, with one the stack gets Ready."""
        await lone_client.apply_stack(database=DATABASE)
        async with operator_in_this_process(lone_client.kube, lone_client.namespace):
            made = await eventually(lambda: lone_client.get(CLUSTER, "fair-database"), 20)
            assert made["spec"]["bootstrap"]["recovery"]["recoveryTarget"]["targetTime"] == "2026-05-01T12:00:00Z"
            assert made["metadata"]["ownerReferences"][0]["name"] == "fair"
            schedule = await eventually(lambda: lone_client.get(SCHEDULE, "fair-database"), 20)
            assert schedule["spec"]["method"] == "barmanObjectStore"
            status = await lone_client.stack_when(
                lambda status: condition(status, "DatabaseMigrated")["reason"] == "DatabaseStarting"
            )
            assert "Cluster fair-database" in condition(status, "DatabaseMigrated")["message"]
            assert await lone_client.list(JOB) == []
            now = "2026-05-01T12:00:00Z"
            ready = {"type": "Ready", "status": "True", "reason": "ClusterIsReady", "message": "Cluster is Ready"}
            path = f"{CLUSTER.path(lone_client.namespace, 'fair-database')}/status"
            await lone_client.kube.call(
                "PATCH",
                path,
                body={"status": {"conditions": [{**ready, "lastTransitionTime": now}]}},
                params={"fieldManager": "cloudnative-pg"},
                content_type="application/merge-patch+json",
            )
            await lone_client.ready()

    async def test_it_cannot_be_taken_out(self, lone_client: Client) -> None:
        """An edit does not delete a database; recovery needs a folder of its own."""
        await lone_client.apply_stack(database=DATABASE)
        with pytest.raises(KubeError, match="the database would be deleted"):
            await lone_client.apply_stack(database={"secretRef": {"name": "other"}})
        same = {**DATABASE["cloudNativePG"], "backups": {**BACKUPS, "serverName": "fair-database"}}
        with pytest.raises(KubeError, match="needs another"):
            await lone_client.apply_stack("other", database={**DATABASE, "cloudNativePG": same})
