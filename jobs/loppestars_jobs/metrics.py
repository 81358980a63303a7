"""Metrics of the jobs worker."""

from typing import Final

from prometheus_client import Counter, Gauge

JOBS: Final = Counter("loppestars_jobs", "Jobs of the second worker, by task and result", ["task", "result"])
LAST_SUCCESS: Final = Gauge(
    "loppestars_jobs_last_success_timestamp_seconds", "When a task last succeeded in this process", ["task"]
)
DELIVERIES: Final = Counter("loppestars_notifications", "Messages by channel and result", ["channel", "result"])
EXPIRED_ROWS: Final = Counter("loppestars_expired_rows", "Rows deleted at the end of their time, by table", ["table"])
