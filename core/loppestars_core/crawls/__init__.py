"""Crawl runs: who may run now, and the record of what came of it.

    pending ──begin──► running ──finish──► succeeded | failed | cancelled
       └── cancel ──► cancelled            superseded: another crawl held the lock

The advisory lock decides who runs: it belongs to a connection, so it ends with its process however that dies.
The record follows: a run that says `running` while nobody holds the lock belongs to a dead process.
"""

from loppestars_core.crawls.lock import CrawlLock
from loppestars_core.crawls.runs import (
    CrawlAlreadyFinished,
    CrawlNotFound,
    NothingToRetry,
    add_failed_item,
    begin_run,
    cancel_requested,
    close_dead_runs,
    find_run,
    finish_run,
    list_runs,
    record_superseded,
    request_cancel,
    request_run,
    retry_run,
    update_progress,
)

__all__ = [
    "CrawlAlreadyFinished",
    "CrawlLock",
    "CrawlNotFound",
    "NothingToRetry",
    "add_failed_item",
    "begin_run",
    "cancel_requested",
    "close_dead_runs",
    "find_run",
    "finish_run",
    "list_runs",
    "record_superseded",
    "request_cancel",
    "request_run",
    "retry_run",
    "update_progress",
]
