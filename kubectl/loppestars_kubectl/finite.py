"""Jobs that are run once, by hand: a backup, a drill, a restore."""

import copy
from typing import Any, Final

from loppestars_operator.naming import CRAWL_KIND

Object = dict[str, Any]

COMPONENT_LABEL: Final = "app.kubernetes.io/component"
RESTORE: Final = "restore"


def job_from(cron_job: Object, suffix: str) -> Object:
    """Return a Job of a CronJob's template, as `kubectl create job --from` makes it, under labels that are watched."""
    template, meta = copy.deepcopy(cron_job["spec"]["jobTemplate"]), cron_job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{meta['name']}-{suffix}",
            "labels": template["metadata"].get("labels", {}),
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def restore_job(migration: Object, stack: str, suffix: str, backup: str | None, *, replace: bool) -> Object:
    """Return the Job that restores a backup and then migrates, from the migration Job with a backup before it.

    Raises:
        ValueError: the stack makes no backups.
    """
    job = copy.deepcopy(migration)
    containers = job["spec"]["template"]["spec"].get("initContainers") or ()
    if not containers:
        raise ValueError("the stack has no spec.backup, so there is nothing to restore from")
    words = ["loppestars-backup", "restore", *([backup] if backup else []), *(["--replace"] if replace else [])]
    # Its own name: a container named backup would count as a backup.
    containers[0] |= {"name": RESTORE, "command": words}
    job["metadata"] = {
        "name": f"{stack}-{RESTORE}-{suffix}",
        "namespace": job["metadata"]["namespace"],
        "labels": {**job["metadata"]["labels"], COMPONENT_LABEL: RESTORE},
        "ownerReferences": job["metadata"]["ownerReferences"],
    }
    job["spec"] |= {"backoffLimit": 0, "activeDeadlineSeconds": 24 * 3600}
    return job


def crawl_of(stack: Object, sources: list[str], limit: int | None, *, dry_run: bool) -> Object:
    """Return a Crawl to create."""
    meta = stack["metadata"]
    wanted: Object = {"stackRef": {"name": meta["name"]}, "sources": sources or None, "limit": limit, "dryRun": dry_run}
    return {
        "apiVersion": stack["apiVersion"],
        "kind": CRAWL_KIND,
        "metadata": {"generateName": f"{meta['name']}-", "namespace": meta["namespace"]},
        "spec": {name: value for name, value in wanted.items() if value is not None},
    }
