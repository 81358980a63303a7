"""Crawls: which Job to start, which to end, what to report. Pure; one crawl at a time per stack."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import CRAWL_LABEL, TRIGGER_LABEL
from loppestars_operator.plan.readiness import (
    State,
    first_problem,
    job_finished_at,
    job_readiness,
    terminated,
    termination_message,
    termination_report,
)
from loppestars_operator.rendering.context import CRAWLER
from loppestars_operator.spec import FINISHED, Crawl, CrawlCounts, CrawlStatus
from loppestars_operator.spec.base import MAX_COUNTED
from loppestars_operator.spec.crawl import CrawlState, Trigger

# What the crawler's exit codes mean; anything else is Failed. See loppestars_core.contract.exit_codes.
EXIT_STATES: Final[dict[int, CrawlState]] = {0: "Succeeded", 3: "Superseded", 130: "Cancelled", 143: "Cancelled"}
# A Job may be seen to end before its pod's last words arrive on another watch.
REPORT_GRACE: Final = timedelta(seconds=8)
# How long a pod may outlive the end of its grace period before its node counts as lost.
LOST_AFTER: Final = timedelta(seconds=60)
MESSAGE_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class CrawlPlan:
    """What becomes of a stack's Crawls. `look_again` is set while a decision waits for time to pass."""

    start: Crawl | None = None
    stop: list[Manifest] = field(default_factory=list)
    report: list[tuple[Crawl, CrawlStatus]] = field(default_factory=list)
    adopt: list[Manifest] = field(default_factory=list)
    forget: list[Crawl] = field(default_factory=list)
    look_again: float | None = None


@dataclass(frozen=True, slots=True)
class CrawlRules:
    """What the stack says about crawls; `blocked` is why none may start now."""

    blocked: str | None
    successful_history: int
    failed_history: int


def plan_crawls(
    crawls: Sequence[Crawl], jobs: Sequence[Manifest], pods: Sequence[Manifest], rules: CrawlRules, now: datetime
) -> CrawlPlan:
    """Decide for all Crawls of one stack.

    `jobs` and `pods` are those of the crawler component; a CronJob's Job without a Crawl is adopted as one.
    """
    # An adopted Crawl has its Job's name; the label, written after it, keeps a deleted Crawl from being made again.
    by_crawl = {_label(job, CRAWL_LABEL) or job["metadata"]["name"]: job for job in jobs}
    plan = CrawlPlan(adopt=[job for job in jobs if not _label(job, CRAWL_LABEL) and is_scheduled(job)])
    look_again = None
    open_crawls = sorted(
        (crawl for crawl in crawls if not crawl.finished), key=lambda crawl: (crawl.created_at, crawl.name)
    )
    busy = [job for job in jobs if job_finished_at(job) is None] or _ending_pods(jobs, pods, now)
    blocked = rules.blocked or (f"waits for {busy[0]['metadata']['name']} to end" if busy else None)
    start = None
    for crawl in open_crawls:
        job = by_crawl.get(crawl.name)
        if job is not None:
            status, wait = _observe(crawl, job, _pods_of(job, pods), now)
            look_again = wait or look_again
            if crawl.spec.cancel and job_finished_at(job) is None:
                plan.stop.append(job)
        elif crawl.spec.cancel or crawl.status.state == "Running" or trigger_of(crawl) == "Schedule":
            status = _gone(crawl, now)
        elif crawl.deleting:
            continue
        elif start is None and blocked is None:
            start, status = crawl, waiting(crawl, "the Job starts")
        else:
            status = waiting(crawl, blocked or "waits for another crawl to end")
            look_again = look_again or (LOST_AFTER.total_seconds() if busy and busy[0] not in jobs else None)
        if status != crawl.status:
            plan.report.append((crawl, status))
    plan.forget.extend(_beyond_history(crawls, rules))
    return CrawlPlan(start, plan.stop, plan.report, plan.adopt, plan.forget, look_again)


def is_scheduled(job: Manifest) -> bool:
    """Whether the CronJob made it."""
    return any(owner.get("kind") == "CronJob" for owner in job["metadata"].get("ownerReferences") or ())


def is_crawl_job(manifest: Manifest) -> bool:
    """Whether an object is a Job of the crawler."""
    return manifest["kind"] == "Job" and _label(manifest, "app.kubernetes.io/component") == CRAWLER


def trigger_of(crawl: Crawl) -> Trigger:
    """Return who asked for a crawl: the schedule, the API (which names its run), or somebody by hand."""
    if crawl.labels.get(TRIGGER_LABEL) == "Schedule":
        return "Schedule"
    return "Api" if crawl.spec.run_id else "Manual"


def _observe(crawl: Crawl, job: Manifest, pods: Sequence[Manifest], now: datetime) -> tuple[CrawlStatus, float | None]:
    """Return the status that follows from the Job, and how long to wait where the pod's end was not seen yet."""
    finished_at = job_finished_at(job)
    known = _known(crawl, job)
    if finished_at is None:
        problem = first_problem(pods)
        message = f"{problem.reason}: {problem.message}" if problem else None
        return known.model_copy(update={"state": "Running", "message": message}), None
    ends = [end for pod in pods if (end := terminated(pod))]
    readiness = job_readiness(job, pods)
    if not ends and readiness.reason != "DeadlineExceeded":
        left = REPORT_GRACE - (now - _time(finished_at))
        # A clock that is far behind the cluster's must not make the wait endless.
        if timedelta(0) < left < LOST_AFTER:
            return known.model_copy(update={"state": "Running"}), left.total_seconds()
    report = termination_report(pods)
    state = _final_state(crawl, readiness.state, ends)
    message = report.get("error") or report.get("message")
    if message is None and state == "Failed" and not report:
        message = termination_message(pods) or readiness.message
    update = {
        "state": state,
        "finished_at": finished_at,
        "counts": _counts(report),
        "run_id": _text(report.get("runId")) or known.run_id,
        "message": str(message)[:MESSAGE_LIMIT] if message else None,
    }
    return known.model_copy(update=update), None


def _final_state(crawl: Crawl, job_state: State, ends: list[dict[str, Any]]) -> CrawlState:
    if ends:
        return EXIT_STATES.get(ends[-1].get("exitCode", 1), "Failed")
    if crawl.spec.cancel:
        return "Cancelled"
    return "Succeeded" if job_state is State.READY else "Failed"


def _known(crawl: Crawl, job: Manifest) -> CrawlStatus:
    return crawl.status.model_copy(
        update={
            "trigger": trigger_of(crawl),
            "job": job["metadata"]["name"],
            "started_at": (job.get("status") or {}).get("startTime") or crawl.status.started_at,
            "run_id": crawl.status.run_id or (None if trigger_of(crawl) == "Schedule" else crawl.run_id),
        }
    )


def waiting(crawl: Crawl, why: str) -> CrawlStatus:
    """Return the status of a Crawl that has no Job yet, and why it has none."""
    return CrawlStatus(state="Pending", trigger=trigger_of(crawl), run_id=crawl.run_id, message=why[:MESSAGE_LIMIT])


def orphaned(crawl: Crawl, why: str, now: datetime) -> CrawlStatus:
    """Return the status of a Crawl whose stack is not there: it waits, unless it is cancelled or has begun."""
    if crawl.spec.cancel:
        return _gone(crawl, now)
    return crawl.status if crawl.status.state == "Running" else waiting(crawl, why)


def _ending_pods(jobs: Sequence[Manifest], pods: Iterable[Manifest], now: datetime) -> list[Manifest]:
    """Return the pods that outlive their Job: a cancelled crawl holds the lock until its process has ended."""
    kept = {job["metadata"]["uid"] for job in jobs}
    return [
        pod
        for pod in pods
        if any(
            owner.get("kind") == "Job" and owner.get("uid") not in kept
            for owner in pod["metadata"].get("ownerReferences") or ()
        )
        and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
        and not _is_lost(pod, now)
    ]


def _is_lost(pod: Manifest, now: datetime) -> bool:
    due = pod["metadata"].get("deletionTimestamp")
    return due is not None and now - _time(due) > LOST_AFTER


def _gone(crawl: Crawl, now: datetime) -> CrawlStatus:
    """Return the end of a crawl without a Job: cancelled before or after its start, or its Job was deleted."""
    cancelled = crawl.spec.cancel
    return crawl.status.model_copy(
        update={
            "state": "Cancelled" if cancelled else "Failed",
            "trigger": trigger_of(crawl),
            "run_id": crawl.status.run_id or crawl.run_id,
            "finished_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message": "cancelled" if cancelled else "its Job was deleted",
        }
    )


def _beyond_history(crawls: Iterable[Crawl], rules: CrawlRules) -> list[Crawl]:
    newest_first = sorted(
        (crawl for crawl in crawls if crawl.finished and not crawl.deleting),
        key=lambda crawl: (crawl.status.finished_at or "", crawl.name),
        reverse=True,
    )
    good = [crawl for crawl in newest_first if crawl.status.state == "Succeeded"]
    bad = [crawl for crawl in newest_first if crawl.status.state in FINISHED - {"Succeeded"}]
    return [*good[rules.successful_history :], *bad[rules.failed_history :]]


def _pods_of(job: Manifest, pods: Iterable[Manifest]) -> list[Manifest]:
    uid = job["metadata"]["uid"]
    return [
        pod for pod in pods if any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences") or ())
    ]


def _counts(report: Mapping[str, Any]) -> CrawlCounts | None:
    counts = report.get("counts")
    if not isinstance(counts, dict):
        return None
    known = {name: value for name, value in counts.items() if name in CrawlCounts.model_fields}
    return CrawlCounts(**{name: min(max(0, n), MAX_COUNTED) for name, n in known.items() if isinstance(n, int)})


def _text(value: object) -> str | None:
    return value[:253] if isinstance(value, str) and value else None


def _label(manifest: Manifest, name: str) -> str | None:
    label: str | None = (manifest["metadata"].get("labels") or {}).get(name)
    return label


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
