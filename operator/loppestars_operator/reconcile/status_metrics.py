"""What a stack's status says, as metrics for its alerts."""

from datetime import datetime

from loppestars_operator import metrics
from loppestars_operator.plan.hibernation import awake_since
from loppestars_operator.spec import Stack, StackStatus


def record_status(stack: Stack, status: StackStatus) -> None:
    """Set the gauges of a stack; what never succeeded counts from the stack's creation, or its waking."""
    where = (stack.key.namespace, stack.key.name)
    ready, recoverable = status.condition("Ready"), status.condition("Recoverable")
    metrics.STACK_READY.labels(*where).set(bool(ready and ready.status == "True"))
    since = {metrics.CRAWL_LAST_SUCCESS: status.last_successful_crawl_at}
    if stack.spec.backup is not None:
        since[metrics.BACKUP_LAST_SUCCESS] = status.backup.last_success_at if status.backup else None
        metrics.RECOVERABLE.labels(*where).set(not (recoverable and recoverable.status == "False"))
    if stack.spec.backup is not None and stack.spec.backup.drill is not None:
        since[metrics.DRILL_LAST_SUCCESS] = status.drill.last_success_at if status.drill else None
    for gauge, at in since.items():
        if moment := at or stack.created_at:
            gauge.labels(*where).set(datetime.fromisoformat(awake_since(status, moment)).timestamp())
    if status.backup and status.backup.succeeded:
        metrics.BACKUP_BYTES.labels(*where).set(status.backup.bytes)
    if status.drill and status.drill.succeeded:
        metrics.RECOVERY_TIME.labels(*where).set(status.drill.recovery_time_seconds)
        metrics.RECOVERY_POINT.labels(*where).set(status.drill.recovery_point_seconds)
