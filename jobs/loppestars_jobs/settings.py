"""Settings of the jobs worker, from its environment."""

from typing import Annotated

from croniter import croniter  # type: ignore[import-untyped]
from pydantic import AfterValidator, Field

from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings, PrivacySettings, StorageSettings


def _schedule(value: str) -> str:
    if not croniter.is_valid(value):
        raise ValueError("expected a cron expression of five fields, e.g. 17 * * * *")
    return value


Schedule = Annotated[str, AfterValidator(_schedule)]


class JobsSettings(PrivacySettings, StorageSettings, DatabaseSettings, ComponentSettings):
    """Settings of `loppestars-jobs`."""

    drain_seconds: float = Field(30, gt=0, description="how long jobs in hand may go on at shutdown")
    erasure_schedule: Schedule = Field(
        "37 3 * * *", description="when people whose time of grace is over are forgotten; a cron expression in UTC"
    )
    erasure_warnings_schedule: Schedule = Field(
        "7 * * * *", description="when people are warned who will be forgotten soon; a cron expression in UTC"
    )
    retention_schedule: Schedule = Field(
        "17 * * * *", description="when rows whose time is over are deleted; a cron expression in UTC"
    )
