"""A database that the stack has made: the Cluster, its roles, its backups, and the way back to a moment."""

from typing import Any

from loppestars_operator.rendering import render
from loppestars_operator.spec.policy import Policy, violations
from tests.factories.stacks import make_context, make_stack

BACKUPS = {"bucket": "wal-bucket", "endpoint": "http://s3:7070", "credentialsSecretRef": {"name": "vault"}}


def database(**chosen: Any) -> dict[str, Any]:
    return {"secretRef": {"name": "fair-database-app", "key": "uri"}, "cloudNativePG": chosen}


def rendered(kind: str, **spec: Any) -> dict[str, Any] | None:
    manifests = render(make_context(make_stack(**spec)))
    return next((found["spec"] for found in manifests if found["kind"] == kind), None)


class TestCluster:
    def test_is_made_where_asked_for(self) -> None:
        """A database and its owner, without a superuser; Secrets that are made carry the stack's label."""
        assert rendered("Cluster") is None
        cluster = rendered("Cluster", database=database(storage={"size": "20Gi"}))
        assert cluster
        assert cluster["instances"] == 3
        assert cluster["storage"] == {"size": "20Gi"}
        assert cluster["enableSuperuserAccess"] is False
        assert cluster["bootstrap"]["initdb"]["owner"] == "loppestars"
        assert cluster["inheritedMetadata"] == {"labels": {"loppestars.dev/stacks": "fair"}}
        assert "backup" not in cluster
        assert rendered("ScheduledBackup", database=database()) is None

    def test_roles(self) -> None:
        """One for each component that has a Secret; the migration's is the owner, made by CloudNativePG."""
        roles = {"api": {"name": "api-role"}, "jobs": {"name": "jobs-role"}, "migrate": {"name": "owner"}}
        cluster = rendered("Cluster", database={**database(), "roles": roles})
        assert cluster
        found = {role["name"]: role["passwordSecret"]["name"] for role in cluster["managed"]["roles"]}
        assert found == {"loppestars_api": "api-role", "loppestars_jobs": "jobs-role"}

    def test_backups(self) -> None:
        """The log of all changes goes to the bucket, and a base backup each night, told in six fields."""
        spec = database(backups={**BACKUPS, "retention": "14d"})
        cluster, schedule = rendered("Cluster", database=spec), rendered("ScheduledBackup", database=spec)
        assert cluster
        assert schedule
        store = cluster["backup"]["barmanObjectStore"]
        assert cluster["backup"]["retentionPolicy"] == "14d"
        assert (store["destinationPath"], store["serverName"]) == ("s3://wal-bucket/", "fair-database")
        assert store["s3Credentials"]["secretAccessKey"] == {"name": "vault", "key": "secretAccessKey"}
        assert (schedule["schedule"], schedule["cluster"]) == ("0 0 2 * * *", {"name": "fair-database"})

    def test_recovery_to_a_moment(self) -> None:
        """It begins from the other Cluster's folder and writes to its own."""
        recovery = {"serverName": "fair-database", "targetTime": "2026-05-01T12:00:00Z"}
        cluster = rendered("Cluster", database=database(backups={**BACKUPS, "serverName": "second"}, recovery=recovery))
        assert cluster
        begun = cluster["bootstrap"]["recovery"]
        assert begun["recoveryTarget"] == {"targetTime": "2026-05-01T12:00:00Z"}
        (origin,) = cluster["externalClusters"]
        assert origin["name"] == begun["source"]
        assert origin["barmanObjectStore"]["serverName"] == "fair-database"
        assert cluster["backup"]["barmanObjectStore"]["serverName"] == "second"


class TestPolicy:
    def test_bounds(self) -> None:
        """Access keys go to allowed hosts only, and the image comes from an allowed registry."""
        elsewhere = {**BACKUPS, "endpoint": "https://s3.attacker.example"}
        stack = make_stack(database=database(backups=elsewhere, image="docker.io/evil/postgresql:17"))
        found = "; ".join(violations(stack, Policy()))
        assert "spec.database.cloudNativePG.backups.endpoint" in found
        assert "spec.database.cloudNativePG.image" in found
        assert violations(make_stack(database=database(backups=BACKUPS)), Policy()) == []
