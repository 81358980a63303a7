"""The report at the end: the exit code, and the counts for a supervisor without a database."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_core.kit.logging import redact_text

log = structlog.get_logger(__name__)
MAX_MESSAGE: Final = 4096
"""Bytes of a termination message that Kubernetes keeps."""
_MAX_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

    run_id: uuid.UUID
    state: CrawlState
    exit_code: ExitCode
    counts: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    error: str | None = None

    def content(self) -> dict[str, Any]:
        """Return all of it, as JSON has it."""
        return {
            "runId": str(self.run_id),
            "state": str(self.state),
            "counts": {name: self.counts.get(name, 0) for name in COUNT_NAMES},
            "message": redact_text(self.error or ""),
            "sources": {name: dict(counts) for name, counts in self.sources.items()},
        }

    def message(self) -> str:
        """Return JSON of at most 4,096 bytes: run id, state, counts, and the reason where there is one."""
        content = self.content()
        reported = {**content, "message": content["message"][:_MAX_REASON]}
        whole = _json(reported)
        del reported["sources"]
        # The sources go first, then the end of the reason: the counts of the run are what is waited for.
        if len(whole.encode()) <= MAX_MESSAGE:
            return whole
        while len(_json(reported).encode()) > MAX_MESSAGE:
            reported["message"] = reported["message"][: len(reported["message"]) // 2]
        return _json(reported)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)


def write_termination_message(path: str | None, report: Report) -> None:
    """Write the message where one is wanted; a file that cannot be written does not fail a finished crawl."""
    if path is None:
        return
    try:
        Path(path).write_text(report.message(), encoding="utf-8")
    except OSError as error:
        log.warning("termination_message_not_written", path=path, error=str(error))
