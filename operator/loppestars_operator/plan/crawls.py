"""Crawls: which Job to start, which to end, what to report. Pure; one crawl at a time per stack."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_operator.kinds import Manifest, label_of, owner_uids, pods_of
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
from loppestars_operator.spec import FINISHED, Crawl, CrawlCounts, CrawlStatus
from loppestars_operator.spec.base import MAX_COUNTED
from loppestars_operator.spec.crawl import CrawlState, Trigger

# What the crawler's exit codes mean; anything else is Failed.
EXIT_STATES: Final[dict[int, CrawlState]] = {
    ExitCode.DONE: "Succeeded",
    ExitCode.LOCKED: "Superseded",
    ExitCode.INTERRUPTED: "Cancelled",
    ExitCode.TERMINATED: "Cancelled",
}
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


@dataclass(frozen=True, slots=True)
class CrawlObjects:
    """The Jobs and pods of the crawler, and by a Job's UID why it has no pods."""

    jobs: Sequence[Manifest]
    pods: Sequence[Manifest]
    refusals: Mapping[str, str] = field(default_factory=dict)

    def job_of(self, crawl: Crawl) -> Manifest | None:
        """Return a Crawl's Job; an adopted Crawl has its Job's name."""
        return next((job for job in self.jobs if crawl_name_of(job) == crawl.name), None)

    def busy(self, now: datetime) -> list[Manifest]:
        """Return what keeps another crawl from starting: Jobs that run, else pods that outlive their Job."""
        jobs = {job["metadata"]["uid"] for job in self.jobs}
        ending = [
            pod
            for pod in self.pods
            # A cancelled crawl holds the lock until its process has ended.
            if set(owner_uids(pod, "Job")) - jobs
            and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
            and not is_lost(pod, now)
        ]
        return [job for job in self.jobs if job_finished_at(job) is None] or ending


def plan_crawls(crawls: Sequence[Crawl], objects: CrawlObjects, rules: CrawlRules, now: datetime) -> CrawlPlan:
    """Decide for all Crawls of one stack; a CronJob's Job without a Crawl is adopted as one."""
    busy = objects.busy(now)
    blocked = rules.blocked or (f"waits for {busy[0]['metadata']['name']} to end" if busy else None)
    unfinished = sorted(
        (crawl for crawl in crawls if not crawl.finished), key=lambda crawl: (crawl.created_at, crawl.name)
    )
    waiting_crawls = [crawl for crawl in unfinished if objects.job_of(crawl) is None and not _is_over(crawl)]
    start = next((crawl for crawl in waiting_crawls if not crawl.deleting), None) if blocked is None else None
    reports, times = [], []
    for crawl in unfinished:
        job = objects.job_of(crawl)
        if job is not None:
            status, seconds = observe_job(crawl, job, objects, now)
            times.append(seconds)
        elif _is_over(crawl):
            status = gone(crawl, now)
        elif crawl.deleting:
            continue
        elif crawl is start:
            status = waiting(crawl, "the Job starts")
        else:
            status = waiting(crawl, blocked or "waits for another crawl to end")
            # The end of a lost node's pod is not an event.
            times.append(LOST_AFTER.total_seconds() if busy and busy[0] not in objects.jobs else None)
        if status != crawl.status:
            reports.append((crawl, status))
    cancelled = [crawl for crawl in unfinished if crawl.spec.cancel]
    return CrawlPlan(
        start=start,
        stop=[job for crawl in cancelled if (job := objects.job_of(crawl)) and job_finished_at(job) is None],
        report=reports,
        # The label, written after the Crawl, keeps a deleted Crawl from being made again.
        adopt=[job for job in objects.jobs if not label_of(job, CRAWL_LABEL) and owner_uids(job, "CronJob")],
        forget=beyond_history(crawls, rules),
        look_again=min((seconds for seconds in times if seconds is not None), default=None),
    )


def crawl_name_of(job: Manifest) -> str:
    """Return the name of the Crawl a Job belongs to."""
    name: str = label_of(job, CRAWL_LABEL) or job["metadata"]["name"]
    return name


def trigger_of(crawl: Crawl) -> Trigger:
    """Return what asked for a crawl: the schedule, the API (which names its run), or a person."""
    if crawl.labels.get(TRIGGER_LABEL) == "Schedule":
        return "Schedule"
    return "Api" if crawl.spec.run_id else "Manual"


def observe_job(crawl: Crawl, job: Manifest, objects: CrawlObjects, now: datetime) -> tuple[CrawlStatus, float | None]:
    """Return the status that follows from the Job, and how long to wait where the pod's end was not seen yet."""
    # The last of several tries is what counts.
    pods = sorted(
        pods_of(job, objects.pods),
        key=lambda pod: str((terminated(pod) or {}).get("finishedAt") or ""),
        reverse=True,
    )
    finished_at = job_finished_at(job)
    readiness = job_readiness(job, pods, objects.refusals.get(job["metadata"]["uid"]))
    known = crawl.status.model_copy(
        update={
            "trigger": trigger_of(crawl),
            "job": job["metadata"]["name"],
            "started_at": (job.get("status") or {}).get("startTime") or crawl.status.started_at,
            "run_id": crawl.status.run_id or (None if trigger_of(crawl) == "Schedule" else crawl.run_id),
        }
    )
    if finished_at is None:
        waits = first_problem(pods) or readiness.reason == "FailedCreate"
        message = f"{readiness.reason}: {readiness.message}"[:MESSAGE_LIMIT] if waits else None
        return known.model_copy(update={"state": "Running", "message": message}), None
    ends = [end for pod in pods if (end := terminated(pod))]
    if not ends and readiness.reason != "DeadlineExceeded":
        left = REPORT_GRACE - (now - datetime.fromisoformat(finished_at))
        # A clock that is far behind the cluster's must not make the wait endless.
        if timedelta(0) < left < LOST_AFTER:
            return known.model_copy(update={"state": "Running"}), left.total_seconds()
    report = termination_report(pods)
    state = final_state(crawl, readiness.state, ends)
    message = report.get("error") or report.get("message")
    if message is None and state == "Failed" and not report:
        message = termination_message(pods) or readiness.message
    run_id = report.get("runId")
    update = {
        "state": state,
        "finished_at": finished_at,
        "counts": counts_of(report),
        "run_id": run_id[:253] if isinstance(run_id, str) and run_id else known.run_id,
        "message": str(message)[:MESSAGE_LIMIT] if message else None,
    }
    return known.model_copy(update=update), None


def final_state(crawl: Crawl, job_state: State, ends: Sequence[Mapping[str, Any]]) -> CrawlState:
    """Return how a crawl ended: by its last exit code, which stands first, or by its Job's end where none was seen."""
    if ends:
        return EXIT_STATES.get(ends[0].get("exitCode", 1), "Failed")
    if crawl.spec.cancel:
        return "Cancelled"
    return "Succeeded" if job_state is State.READY else "Failed"


def waiting(crawl: Crawl, why: str) -> CrawlStatus:
    """Return the status of a Crawl that has no Job yet, and why it has none."""
    return CrawlStatus(state="Pending", trigger=trigger_of(crawl), run_id=crawl.run_id, message=why[:MESSAGE_LIMIT])


def orphaned(crawl: Crawl, why: str, now: datetime) -> CrawlStatus:
    """Return the status of a Crawl whose stack does not exist: it waits, unless it is cancelled or has begun."""
    if crawl.spec.cancel:
        return gone(crawl, now)
    return crawl.status if crawl.status.state == "Running" else waiting(crawl, why)


def gone(crawl: Crawl, now: datetime) -> CrawlStatus:
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


def is_lost(pod: Manifest, now: datetime) -> bool:
    """Return whether a pod's node did not end it in time."""
    due = pod["metadata"].get("deletionTimestamp")
    return due is not None and now - datetime.fromisoformat(due) > LOST_AFTER


def beyond_history(crawls: Iterable[Crawl], rules: CrawlRules) -> list[Crawl]:
    """Return the finished Crawls above the limits of the history, the oldest of them."""
    newest_first = sorted(
        (crawl for crawl in crawls if crawl.finished and not crawl.deleting),
        key=lambda crawl: (crawl.status.finished_at or "", crawl.name),
        reverse=True,
    )
    good = [crawl for crawl in newest_first if crawl.status.state == "Succeeded"]
    bad = [crawl for crawl in newest_first if crawl.status.state in FINISHED - {"Succeeded"}]
    return [*good[rules.successful_history :], *bad[rules.failed_history :]]


def counts_of(report: Mapping[str, Any]) -> CrawlCounts | None:
    """Return the counts in a crawler's report, within the bounds of the resource."""
    counts = report.get("counts")
    if not isinstance(counts, dict):
        return None
    known = {name: value for name, value in counts.items() if name in CrawlCounts.model_fields}
    return CrawlCounts(**{name: min(max(0, n), MAX_COUNTED) for name, n in known.items() if isinstance(n, int)})


def _is_over(crawl: Crawl) -> bool:
    """Return whether a crawl without a Job has ended: it was cancelled, or it had a Job before."""
    return crawl.spec.cancel or crawl.status.state == "Running" or trigger_of(crawl) == "Schedule"
