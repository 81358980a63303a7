"""Metrics of the operator; declared in one place, since several modules count the same thing."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

RECONCILES: Final = Counter("loppestars_operator_reconciles_total", "Passes by result", ["result"])
RECONCILE_SECONDS: Final = Histogram(
    "loppestars_operator_reconcile_duration_seconds",
    "Duration of a pass",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
QUEUE_DEPTH: Final = Gauge("loppestars_operator_queue_depth", "Stacks that wait for a pass")
WRITES: Final = Counter("loppestars_operator_writes_total", "Writes to the API server", ["kind", "result"])
WATCH_SEEN: Final = Gauge(
    "loppestars_operator_watch_last_seen_timestamp_seconds", "When a kind's watch last heard something", ["kind"]
)
WATCH_FAILURES: Final = Counter("loppestars_operator_watch_failures_total", "Watches that had to start again", ["kind"])
LEADER: Final = Gauge("loppestars_operator_leader", "1 in the process that holds the Lease")
STACK_READY: Final = Gauge(
    "loppestars_operator_stack_ready", "1 while the stack is Ready", ["stack_namespace", "stack"]
)
CRAWLS: Final = Counter(
    "loppestars_operator_crawls_total", "Finished crawls by state", ["stack_namespace", "stack", "state"]
)
CRAWL_LAST_SUCCESS: Final = Gauge(
    "loppestars_operator_crawl_last_success_timestamp_seconds",
    "When the last successful crawl ended",
    ["stack_namespace", "stack"],
)
CRAWL_ITEMS: Final = Gauge(
    "loppestars_operator_last_crawl_items", "Counts of the last finished crawl", ["stack_namespace", "stack", "count"]
)
BACKUP_LAST_SUCCESS: Final = Gauge(
    "loppestars_operator_backup_last_success_timestamp_seconds",
    "When the last successful backup ended",
    ["stack_namespace", "stack"],
)
BACKUP_BYTES: Final = Gauge(
    "loppestars_operator_backup_bytes", "Size of the last successful backup", ["stack_namespace", "stack"]
)
DRILL_LAST_SUCCESS: Final = Gauge(
    "loppestars_operator_drill_last_success_timestamp_seconds",
    "When the last successful restore drill ended",
    ["stack_namespace", "stack"],
)
RECOVERABLE: Final = Gauge(
    "loppestars_operator_stack_recoverable",
    "0 while backups or drills say that what is lost could not be had back",
    ["stack_namespace", "stack"],
)
RECOVERY_TIME: Final = Gauge(
    "loppestars_operator_recovery_time_seconds", "How long the last drill's restore took", ["stack_namespace", "stack"]
)
RECOVERY_POINT: Final = Gauge(
    "loppestars_operator_recovery_point_seconds",
    "How much work would have been lost at the last drill",
    ["stack_namespace", "stack"],
)
_OF_STACKS: Final = (
    *(STACK_READY, CRAWLS, CRAWL_LAST_SUCCESS, CRAWL_ITEMS, RECOVERABLE),
    *(BACKUP_LAST_SUCCESS, BACKUP_BYTES, DRILL_LAST_SUCCESS, RECOVERY_TIME, RECOVERY_POINT),
)


def forget_stack(namespace: str, stack: str) -> None:
    """Remove the series of a stack that is gone."""
    for metric in _OF_STACKS:
        metric.remove_by_labels({"stack_namespace": namespace, "stack": stack})
