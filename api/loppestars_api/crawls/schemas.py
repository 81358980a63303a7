"""What admins send and read about crawls."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.crawls.models import CrawlFailedItem, CrawlRun, CrawlSource

SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["markedskalenderen"])]


class TriggerRequest(BaseModel):
    """Everything is optional: without a body all sources are crawled whole."""

    model_config = ConfigDict(extra="ignore")

    sources: Annotated[list[SourceName], Field(max_length=20)] = Field(
        default_factory=list, description="Names of sources; none means all."
    )
    accept_shrink: bool = Field(
        default=False, alias="acceptShrink", description="Believe a source that lists far fewer markets than before."
    )
    limit: int | None = Field(None, ge=1, le=1_000_000, description="Most items of each source.")


class TriggerResponse(BaseModel):
    success: Literal[True] = True
    message: Literal["Scraper triggered successfully in background"] = "Scraper triggered successfully in background"
    note: str
    run_id: UUID = Field(alias="runId")


class Counts(BaseModel):
    """Each item is counted in `seen` and in one of the others; `vanished` ones were not seen any more."""

    seen: int
    new: int
    changed: int
    unchanged: int
    vanished: int
    skipped: int
    failed: int


class RunRecord(BaseModel):
    """One crawl, from its request to its end."""

    id: UUID
    trigger: Literal["schedule", "api", "cli"]
    state: Literal["pending", "running", "succeeded", "failed", "cancelled", "superseded"]
    sources: list[str]
    expected: int | None = Field(description="How many items the crawl expects, as far as it knows.")
    done: int
    counts: Counts
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None

    @classmethod
    def of(cls, run: CrawlRun, **more: Any) -> Self:  # noqa: ANN401 - fields of the subclass
        counts = Counts(**{name: getattr(run, name) for name in COUNT_NAMES})
        own = {name: getattr(run, name) for name in RunRecord.model_fields if name != "counts"}
        return cls(**own, counts=counts, **more)


class FailedItem(BaseModel):
    """Something on a page that was not understood, or that could not be stored."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    reason: str
    url: str | None
    snippet: str | None


class SourceOutcome(BaseModel):
    """How one source of a run went."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    state: Literal["pending", "running", "succeeded", "failed", "cancelled", "superseded"]
    expected: int | None
    seen: int
    new: int
    changed: int
    unchanged: int
    vanished: int
    skipped: int
    failed: int
    quarantined: int = Field(description="Markets that are not believed until an admin releases them.")
    pages: int
    fetch_seconds: float = Field(description="How long its pages took together.")
    coverage: dict[str, int] | None = Field(description="Of how many markets it said each field.")
    warnings: list[str]
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None


class RunDetails(RunRecord):
    source_outcomes: list[SourceOutcome]
    failed_items: list[FailedItem]

    @classmethod
    def with_items(cls, run: CrawlRun, items: list[CrawlFailedItem], sources: list[CrawlSource]) -> Self:
        return cls.of(
            run,
            source_outcomes=[SourceOutcome.model_validate(source) for source in sources],
            failed_items=[FailedItem.model_validate(item) for item in items],
        )


class RetryRequest(BaseModel):
    """An admin's answer to a run that failed: crawl what failed again, and perhaps believe it this time."""

    model_config = ConfigDict(extra="ignore")

    accept_shrink: bool = Field(
        default=False, alias="acceptShrink", description="Believe a source that lists far fewer markets than before."
    )
