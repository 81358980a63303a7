"""How well a source has been crawled of late. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

CRITICAL_FAILURES: Final = 5
"""Failures in a row after which a source needs a person."""
_MAX_FAILED_SHARE: Final = 0.3


class Health(StrEnum):
    """The states of a source, from good to bad."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    WARNING = "warning"
    DEGRADED = "degraded"
    CRITICAL = "critical"


class Outcome(NamedTuple):
    """How one crawl of a source ended."""

    succeeded: bool
    has_warnings: bool = False


def health_of(outcomes: Sequence[Outcome]) -> Health:
    """Return the health of a source by its last crawls, the newest first."""
    if not outcomes:
        return Health.UNKNOWN
    failures = [not outcome.succeeded for outcome in outcomes]
    if len(failures) >= CRITICAL_FAILURES and all(failures[:CRITICAL_FAILURES]):
        return Health.CRITICAL
    if sum(failures) > len(failures) * _MAX_FAILED_SHARE or outcomes[0].has_warnings:
        return Health.DEGRADED
    return Health.WARNING if any(failures) else Health.HEALTHY
