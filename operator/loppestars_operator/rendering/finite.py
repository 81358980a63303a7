"""What finite work has in common: the migration, crawls, the sweep. No Job retries a crawl by itself."""

from collections.abc import Sequence
from typing import Any

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import component_labels
from loppestars_operator.rendering.context import RenderContext


def finite_pod() -> dict[str, Any]:
    """Return what pods of Jobs have: with OnFailure the pod, and its termination message, would go at the limit."""
    return {"restartPolicy": "Never", "terminationGracePeriodSeconds": 30}


def job_spec(
    template: dict[str, Any],
    *,
    active_deadline_seconds: int,
    backoff_limit: int = 0,
    ttl_seconds: int | None = None,
    final_codes: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the spec of a Job; a pod that ends with one of `final_codes` is not tried again."""
    kept: dict[str, Any] = {} if ttl_seconds is None else {"ttlSecondsAfterFinished": ttl_seconds}
    if final_codes:
        name = template["spec"]["containers"][0]["name"]
        ended = {"containerName": name, "operator": "In", "values": sorted(map(int, final_codes))}
        kept["podFailurePolicy"] = {"rules": [{"action": "FailJob", "onExitCodes": ended}]}
    return {
        "activeDeadlineSeconds": active_deadline_seconds,
        "backoffLimit": backoff_limit,
        **kept,
        "template": template,
    }


def cron_job(  # noqa: PLR0913 - the parts of a CronJob, each named at the call
    context: RenderContext,
    component: str,
    *,
    schedule: str,
    time_zone: str,
    template: dict[str, Any],
    active_deadline_seconds: int,
    starting_deadline_seconds: int,
    history: tuple[int, int],
    suspend: bool = False,
) -> Manifest:
    """Return a CronJob that never runs twice at a time; `history` is how many succeeded and failed Jobs it keeps."""
    succeeded, failed = history
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": context.metadata(context.named(component), component),
        "spec": {
            "schedule": schedule,
            "timeZone": time_zone,
            "suspend": suspend or context.spec.hibernated,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": starting_deadline_seconds,
            "successfulJobsHistoryLimit": succeeded,
            "failedJobsHistoryLimit": failed,
            "jobTemplate": {
                "metadata": {"labels": component_labels(context.name, component)},
                "spec": job_spec(template, active_deadline_seconds=active_deadline_seconds),
            },
        },
    }
