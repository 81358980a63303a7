"""What is told at the end: the exit code, and the counts for whoever watches the process without a database."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from loppestars_core.database.models import COUNT_NAMES, CrawlState
from loppestars_core.exit_codes import ExitCode

log = structlog.get_logger()
LARGEST_MESSAGE = 4096
"""Bytes of a termination message that Kubernetes keeps."""
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

    run_id: uuid.UUID
    state: CrawlState
    exit_code: ExitCode
    counts: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    error: str | None = None

    def message(self) -> str:
        """JSON of at most 4,096 bytes: run id, state, counts, and the reason where there is one."""
        told = {
            "runId": str(self.run_id),
            "state": str(self.state),
            "counts": {name: self.counts.get(name, 0) for name in COUNT_NAMES},
            "message": (self.error or "")[:_LONGEST_REASON],
        }
        whole = json.dumps({**told, "sources": {name: dict(counts) for name, counts in self.sources.items()}})
        return whole if len(whole) <= LARGEST_MESSAGE else json.dumps(told)[:LARGEST_MESSAGE]


def write_termination_message(path: str | None, report: Report) -> None:
    """Write the message where one is wanted; a file that cannot be written is no reason to fail a finished crawl."""
    if path is None:
        return
    try:
        Path(path).write_text(report.message(), encoding="utf-8")
    except OSError as error:
        log.warning("the termination message could not be written", path=path, error=str(error))
