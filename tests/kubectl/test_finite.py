"""Jobs and Crawls made by hand: what the operator takes them for follows from their labels."""

import pytest

from loppestars_kubectl.finite import crawl_of, job_from, restore_job
from loppestars_kubectl.preview import migration_of
from tests.factories.stacks import sample, stack_body

CRON_JOB = {
    "metadata": {"name": "fair-backup", "uid": "1"},
    "spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"backoffLimit": 0}}},
}


class TestJobFrom:
    def test_like_kubectl_makes_it(self) -> None:
        """Labels, owner and spec are the schedule's."""
        job = job_from(CRON_JOB, "7")
        assert job["metadata"]["name"] == "fair-backup-7"
        assert job["metadata"]["labels"] == {"a": "b"}
        assert job["metadata"]["ownerReferences"][0]["uid"] == "1"
        assert job["spec"] == {"backoffLimit": 0}


class TestRestoreJob:
    def test_restores_then_migrates(self) -> None:
        """It counts neither as a migration nor as a backup."""
        stack = stack_body(backup=sample("02-production")["spec"]["backup"])
        job = restore_job(migration_of(stack), "fair", "7", "b1", replace=True)
        (first,) = job["spec"]["template"]["spec"]["initContainers"]
        assert (first["name"], first["command"]) == ("restore", ["loppestars-backup", "restore", "b1", "--replace"])
        assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["loppestars-migrate"]
        assert job["metadata"]["labels"]["app.kubernetes.io/component"] == "restore"

    def test_no_backups(self) -> None:
        """There is nothing to restore from."""
        with pytest.raises(ValueError, match=r"no spec\.backup"):
            restore_job(migration_of(stack_body()), "fair", "7", None, replace=False)


class TestCrawlOf:
    def test_what_is_asked_for(self) -> None:
        """And nothing else, so that the schema's defaults hold."""
        body = crawl_of(stack_body(), ["loppemarkeder"], None, dry_run=True)
        assert body["spec"] == {"stackRef": {"name": "fair"}, "sources": ["loppemarkeder"], "dryRun": True}
        assert body["metadata"] == {"generateName": "fair-", "namespace": "shop"}
