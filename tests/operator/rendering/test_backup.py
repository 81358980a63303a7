"""Backups of a stack: what runs when, with which rights, and what a migration waits for."""

from typing import Any

from loppestars_operator.rendering import render, render_migration
from tests.factories.stacks import make_context, make_stack

BACKUP = {
    "s3": {"bucket": "backups", "endpoint": "http://vault:9000", "credentialsSecretRef": {"name": "vault"}},
    "encryptionKeySecretRef": {"name": "backup-key"},
    "retention": "14d",
    "drill": {"scratchSecretRef": {"name": "scratch"}},
}


def rendered(kind: str, name: str, **changes: Any) -> dict[str, Any] | None:
    manifests = render(make_context(make_stack(**({"backup": BACKUP} | changes))))
    return next((found for found in manifests if (found["kind"], found["metadata"]["name"]) == (kind, name)), None)


def container(cron_job: dict[str, Any] | None) -> dict[str, Any]:
    assert cron_job
    found: dict[str, Any] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    return found


def values(container: dict[str, Any]) -> dict[str, str]:
    """Plain values, and of the others Secret and key."""
    return {
        variable["name"]: variable.get("value") or "{name}/{key}".format(**variable["valueFrom"]["secretKeyRef"])
        for variable in container["env"]
    }


class TestSchedules:
    def test_backup(self) -> None:
        """The whole installation as the owner of its tables sees it, into the bucket of backups."""
        found = container(rendered("CronJob", "fair-backup"))
        assert found["command"] == ["loppestars-backup", "create"]
        assert found["image"] == "ghcr.io/loppestars/backup:0.1.0"
        read = values(found)
        assert read["DATABASE_URL"] == "loppestars-database/url"
        assert read["BACKUP_S3_SECRET_ACCESS_KEY"] == "vault/secretAccessKey"
        assert (read["BACKUP_S3_BUCKET"], read["BACKUP_KEEP_DAYS"]) == ("backups", "14")

    def test_drill(self) -> None:
        """Into the database to throw away, on its own schedule."""
        drill = rendered("CronJob", "fair-drill")
        assert drill
        assert drill["spec"]["schedule"] == "0 5 * * 0"
        assert values(container(drill))["SCRATCH_DATABASE_URL"] == "scratch/url"
        assert rendered("CronJob", "fair-drill", backup={**BACKUP, "drill": None}) is None

    def test_restore(self) -> None:
        """Ready to be copied by a person, never run by itself: the backup first, then what is newer in the schema."""
        found = rendered("CronJob", "fair-restore")
        assert found
        assert (found["spec"]["suspend"], found["spec"]["schedule"]) == (True, "0 0 31 2 *")
        pod = found["spec"]["jobTemplate"]["spec"]["template"]
        (first,), (second,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
        assert (first["command"], second["command"]) == (
            ["loppestars-backup", "restore", "--replace"],
            ["loppestars-migrate"],
        )
        assert pod["spec"]["serviceAccountName"] == "fair-backup"
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "restore"

    def test_none(self) -> None:
        """Nothing of it where the spec does not ask."""
        manifests = render(make_context())
        assert not [
            found for found in manifests if found["metadata"]["name"] in {"fair-backup", "fair-drill", "fair-restore"}
        ]

    def test_reaches_both_servers(self) -> None:
        """Photos' and backups'; the database; nothing else."""
        policy, restore = rendered("NetworkPolicy", "fair-backup"), rendered("NetworkPolicy", "fair-restore")
        assert policy
        assert restore
        assert restore["spec"]["egress"] == policy["spec"]["egress"]
        ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        assert ports == {53, 5353, 5432, 6432, 7070, 9000}
        assert "ingress" not in policy["spec"]


class TestMigration:
    def test_after_a_backup(self) -> None:
        """In the same pod, with the new version's programs; a lost photo is no reason to stay on the old version."""
        job = render_migration(make_context(make_stack(version="0.2.0", backup=BACKUP)))
        pod = job["spec"]["template"]["spec"]
        (first,) = pod["initContainers"]
        assert first["command"] == ["loppestars-backup", "create", "--tolerate-missing"]
        assert first["image"].endswith("/backup:0.2.0")
        assert pod["serviceAccountName"] == "fair-backup"
        assert job["spec"]["activeDeadlineSeconds"] == 600 + 7200

    def test_at_once(self) -> None:
        """Where there are no backups, or not before migrations."""
        for backup in (None, BACKUP | {"beforeMigration": False}):
            job = render_migration(make_context(make_stack(backup=backup)))
            assert "initContainers" not in job["spec"]["template"]["spec"]
