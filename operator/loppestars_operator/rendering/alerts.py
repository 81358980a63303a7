"""Alert rules of one stack. `tests/operator/rendering/test_alerts.py` fires each of them with promtool."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any, Final, NamedTuple

RUNBOOK: Final = "https://github.com/loppestars/loppestars/blob/main/docs/alerts.md#"


@dataclass(frozen=True, slots=True)
class RecoveryTimes:
    """Hours after which a backup or drill is overdue, None where there is no schedule."""

    backup_overdue_hours: int | None
    drill_overdue_hours: int | None


class _Alert(NamedTuple):
    """A rule as it is written here: `$pods` and `$stack` select the stack's series, its own and the operator's.

    `$limit` is what the installation sets, the value of `limited_by`; a rule without its limit is left out.
    """

    name: str
    expression: str
    duration: str
    severity: str
    summary: str
    limited_by: str | None = None

    def rule(self, said: Mapping[str, object], labels: dict[str, str]) -> dict[str, Any]:
        """Return the rule with what is said of its subject put in."""
        return {
            "alert": self.name,
            "expr": Template(self.expression).substitute(said),
            "for": self.duration,
            "labels": {"severity": self.severity, **labels},
            "annotations": {
                "summary": Template(self.summary).substitute(said),
                "runbook_url": RUNBOOK + self.name.lower(),
            },
        }


_API: Final = (
    _Alert(
        "LoppestarsApiErrors",
        'sum(rate(loppestars_http_requests_total{$pods,status=~"5.."}[1m]))'
        " / sum(rate(loppestars_http_requests_total{$pods}[1m])) > 0.05",
        "1m",
        "critical",
        "More than 5 % of API requests fail",
    ),
    _Alert(
        # /process waits for a worker by design; its time is alerted on by the age of the queue.
        "LoppestarsApiSlow",
        "histogram_quantile(0.95, sum by (le) (rate("
        'loppestars_http_request_duration_seconds_bucket{$pods,route!~"/process.*"}[5m]))) > 0.5',
        "5m",
        "warning",
        "One API request in twenty takes more than 500 ms",
    ),
    _Alert(
        "LoppestarsPodCpuHigh",
        "rate(process_cpu_seconds_total{$pods}[5m]) > 0.8",
        "5m",
        "warning",
        "Pod {{ $$labels.pod }} has used more than 80 % of a core for 5 minutes",
    ),
)
_PHOTOS: Final = (
    _Alert(
        "LoppestarsPhotosWaiting",
        "max(loppestars_queue_oldest_job_seconds{$pods}) > 60",
        "1m",
        "critical",
        "The oldest photo has waited for more than 60 s",
    ),
    _Alert(
        "LoppestarsPhotosFailing",
        'sum(increase(loppestars_photos_total{$pods,result="failed"}[15m])) > 0',
        "0m",
        "warning",
        "Photos could not be anonymised; nothing of them was published",
    ),
    _Alert(
        "LoppestarsStorageNearlyFull",
        "max(loppestars_stored_bytes{$pods}) > 0.9 * $limit",
        "15m",
        "warning",
        "Photos take more than 90 % of the storage budget",
        "storage_budget",
    ),
)
# What works behind the API: its dependencies, the second worker, the sources.
_WORK: Final = (
    _Alert(
        # Of one replica only, it is that pod's trouble; of all, nobody reaches it.
        "LoppestarsDependencyAway",
        "max by (dependency) (loppestars_dependency_up{$pods}) == 0",
        "2m",
        "critical",
        "The {{ $$labels.dependency }} does not answer the API; what needs it is answered 503",
    ),
    _Alert(
        "LoppestarsJobsFailing",
        'sum by (task) (increase(loppestars_jobs_total{$pods,result="failed"}[1h])) >= 2',
        "0m",
        "warning",
        "The task {{ $$labels.task }} of the second worker keeps failing",
    ),
    _Alert(
        "LoppestarsJobsAway",
        'absent(up{$pods,component="jobs"} == 1)',
        "10m",
        "critical",
        "No second worker has been there for 10 minutes: nothing is deleted or sent in its time",
    ),
)
_SEEN_BY_OPERATOR: Final = (
    _Alert(
        "LoppestarsNoSuccessfulCrawl",
        "time() - max(loppestars_operator_crawl_last_success_timestamp_seconds{$stack}) > $limit * 3600",
        "5m",
        "warning",
        "No crawl has succeeded for $limit hours, longer than between two scheduled ones",
        "crawl_overdue_hours",
    ),
    _Alert(
        "LoppestarsStackNotReady",
        "max(loppestars_operator_stack_ready{$stack}) == 0",
        "10m",
        "critical",
        "The stack has not been Ready for 10 minutes",
    ),
)
_RECOVERY: Final = (
    _Alert(
        "LoppestarsBackupOverdue",
        "time() - max(loppestars_operator_backup_last_success_timestamp_seconds{$stack}) > $limit * 3600",
        "5m",
        "critical",
        "No backup has succeeded for $limit hours, longer than between two scheduled ones",
        "backup_overdue_hours",
    ),
    _Alert(
        "LoppestarsDrillOverdue",
        "time() - max(loppestars_operator_drill_last_success_timestamp_seconds{$stack}) > $limit * 3600",
        "5m",
        "warning",
        "No restore drill has succeeded for $limit hours, longer than between two scheduled ones",
        "drill_overdue_hours",
    ),
    _Alert(
        "LoppestarsNotRecoverable",
        "max(loppestars_operator_stack_recoverable{$stack}) == 0",
        "15m",
        "critical",
        "What is lost now could not be had back: the condition Recoverable of the stack says why",
    ),
)
# On the operator itself, of which no stack's rules can say that it is away.
_OPERATOR: Final = (
    _Alert(
        "LoppestarsOperatorAway",
        "absent(loppestars_operator_leader{$pods} == 1)",
        "5m",
        "critical",
        "No operator has led for 5 minutes: stacks serve on, but nothing is mended, crawled or rolled out",
    ),
    _Alert(
        "LoppestarsOperatorBlind",
        "max by (kind) (time() - loppestars_operator_watch_last_seen_timestamp_seconds{$pods}"
        " and on (pod) loppestars_operator_leader{$pods} == 1) > 600",
        "5m",
        "warning",
        "The operator has heard nothing of {{ $$labels.kind }} for 10 minutes",
    ),
    _Alert(
        "LoppestarsOperatorDefect",
        'sum(increase(loppestars_operator_reconciles_total{$pods,result="crashed"}[15m])) > 0',
        "0m",
        "warning",
        "A defect of the operator keeps it from working on a stack",
    ),
)


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
    limits = {
        "storage_budget": storage_budget,
        "crawl_overdue_hours": crawl_overdue_hours,
        "backup_overdue_hours": recovery and recovery.backup_overdue_hours,
        "drill_overdue_hours": recovery and recovery.drill_overdue_hours,
    }
    labels = {"stack_namespace": namespace, "stack": stack}
    rules = []
    for alert in (*_API, *_PHOTOS, *_WORK, *_SEEN_BY_OPERATOR, *(_RECOVERY if recovery else ())):
        limit = limits[alert.limited_by] if alert.limited_by else None
        if alert.limited_by and limit is None:
            continue
        said = {
            "pods": f'namespace="{namespace}",stack="{stack}"',
            "stack": f'stack_namespace="{namespace}",stack="{stack}"',
            "limit": limit,
        }
        rules.append(alert.rule(said, labels))
    return [{"name": f"loppestars.{namespace}.{stack}", "rules": rules}]


def own_alert_groups(namespace: str) -> list[dict[str, Any]]:
    """Return the rules on the operator itself, which runs in that namespace."""
    said = {"pods": f'namespace="{namespace}"'}
    return [{"name": f"loppestars-operator.{namespace}", "rules": [alert.rule(said, {}) for alert in _OPERATOR]}]
