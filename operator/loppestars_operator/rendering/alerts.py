"""Alert rules of one stack. `tests/operator/rendering/test_alerts.py` fires each of them with promtool."""

from dataclasses import dataclass
from typing import Any, Final

AlertRule = dict[str, Any]

RUNBOOK: Final = "https://github.com/loppestars/loppestars/blob/main/docs/alerts.md#"


@dataclass(frozen=True, slots=True)
class RecoveryTimes:
    """Hours after which a backup or drill is overdue, None where there is no schedule."""

    backup_overdue_hours: int | None
    drill_overdue_hours: int | None


def alert_groups(
    namespace: str,
    stack: str,
    *,
    storage_budget: int | None = None,
    crawl_overdue_hours: int | None = 26,
    recovery: RecoveryTimes | None = None,
) -> list[dict[str, Any]]:
    """Return the rule groups of one stack; `storage_budget` is in bytes.

    `crawl_overdue_hours` is None without a schedule, `recovery` without backups.
    """
    pods = f'namespace="{namespace}",stack="{stack}"'
    seen_by_operator = f'stack_namespace="{namespace}",stack="{stack}"'
    rules = [
        *_api_alerts(pods),
        *_photo_alerts(pods, storage_budget),
        *_work_alerts(pods),
        *_operator_alerts(seen_by_operator, crawl_overdue_hours),
        *(_recovery_alerts(seen_by_operator, recovery) if recovery else []),
    ]
    labels = {"stack_namespace": namespace, "stack": stack}
    return [
        {
            "name": f"loppestars.{namespace}.{stack}",
            "rules": [{**rule, "labels": {**rule["labels"], **labels}} for rule in rules],
        }
    ]


def _api_alerts(pods: str) -> list[AlertRule]:
    requests = f"loppestars_http_requests_total{{{pods}"
    buckets = f"loppestars_http_request_duration_seconds_bucket{{{pods}"
    return [
        _alert(
            "LoppestarsApiErrors",
            f'sum(rate({requests},status=~"5.."}}[1m])) / sum(rate({requests}}}[1m])) > 0.05',
            "1m",
            "critical",
            "More than 5 % of API requests fail",
        ),
        _alert(
            # /process waits for a worker by design; its time is alerted on by the age of the queue.
            "LoppestarsApiSlow",
            f'histogram_quantile(0.95, sum by (le) (rate({buckets},route!~"/process.*"}}[5m]))) > 0.5',
            "5m",
            "warning",
            "One API request in twenty takes more than 500 ms",
        ),
        _alert(
            "LoppestarsPodCpuHigh",
            f"rate(process_cpu_seconds_total{{{pods}}}[5m]) > 0.8",
            "5m",
            "warning",
            "Pod {{ $labels.pod }} has used more than 80 % of a core for 5 minutes",
        ),
    ]


def _photo_alerts(pods: str, storage_budget: int | None) -> list[AlertRule]:
    rules = [
        _alert(
            "LoppestarsPhotosWaiting",
            f"max(loppestars_queue_oldest_job_seconds{{{pods}}}) > 60",
            "1m",
            "critical",
            "The oldest photo has waited for more than 60 s",
        ),
        _alert(
            "LoppestarsPhotosFailing",
            f'sum(increase(loppestars_photos_total{{{pods},result="failed"}}[15m])) > 0',
            "0m",
            "warning",
            "Photos could not be anonymised; nothing of them was published",
        ),
    ]
    if storage_budget is not None:
        rules.append(
            _alert(
                "LoppestarsStorageNearlyFull",
                f"max(loppestars_stored_bytes{{{pods}}}) > 0.9 * {storage_budget}",
                "15m",
                "warning",
                "Photos take more than 90 % of the storage budget",
            )
        )
    return rules


def _work_alerts(pods: str) -> list[AlertRule]:
    """Return the alerts on what works behind the API: its dependencies, the second worker, the sources."""
    return [
        _alert(
            # Of one replica only, it is that pod's trouble; of all, nobody reaches it.
            "LoppestarsDependencyAway",
            f"max by (dependency) (loppestars_dependency_up{{{pods}}}) == 0",
            "2m",
            "critical",
            "The {{ $labels.dependency }} does not answer the API; what needs it is answered 503",
        ),
        _alert(
            "LoppestarsJobsFailing",
            f'sum by (task) (increase(loppestars_jobs_total{{{pods},result="failed"}}[1h])) >= 2',
            "0m",
            "warning",
            "The task {{ $labels.task }} of the second worker keeps failing",
        ),
        _alert(
            "LoppestarsJobsAway",
            f'absent(up{{{pods},component="jobs"}} == 1)',
            "10m",
            "critical",
            "No second worker has been there for 10 minutes: nothing is deleted or sent in its time",
        ),
    ]


def _operator_alerts(stack: str, overdue: int | None) -> list[AlertRule]:
    no_crawl = _alert(
        "LoppestarsNoSuccessfulCrawl",
        f"time() - max(loppestars_operator_crawl_last_success_timestamp_seconds{{{stack}}}) > {overdue} * 3600",
        "5m",
        "warning",
        f"No crawl has succeeded for {overdue} hours, longer than between two scheduled ones",
    )
    return [
        *([no_crawl] if overdue else []),
        _alert(
            "LoppestarsStackNotReady",
            f"max(loppestars_operator_stack_ready{{{stack}}}) == 0",
            "10m",
            "critical",
            "The stack has not been Ready for 10 minutes",
        ),
    ]


def _recovery_alerts(stack: str, times: RecoveryTimes) -> list[AlertRule]:
    overdue = {
        "Backup": (times.backup_overdue_hours, "backup", "critical"),
        "Drill": (times.drill_overdue_hours, "restore drill", "warning"),
    }
    return [
        *(
            _alert(
                f"Loppestars{name}Overdue",
                f"time() - max(loppestars_operator_{name.lower()}_last_success_timestamp_seconds{{{stack}}})"
                f" > {hours} * 3600",
                "5m",
                severity,
                f"No {thing} has succeeded for {hours} hours, longer than between two scheduled ones",
            )
            for name, (hours, thing, severity) in overdue.items()
            if hours is not None
        ),
        _alert(
            "LoppestarsNotRecoverable",
            f"max(loppestars_operator_stack_recoverable{{{stack}}}) == 0",
            "15m",
            "critical",
            "What is lost now could not be had back: the condition Recoverable of the stack says why",
        ),
    ]


def _alert(name: str, expression: str, duration: str, severity: str, summary: str) -> AlertRule:
    return {
        "alert": name,
        "expr": expression,
        "for": duration,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook_url": RUNBOOK + name.lower()},
    }
