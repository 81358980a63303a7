"""The Crawl: one run of the crawler, asked for by the API, by kubectl or by the schedule."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Count, Model, Name, Text, Time, Word, rules

CrawlState = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled", "Superseded"]
Trigger = Literal["Schedule", "Api", "Manual"]
FINISHED: frozenset[str] = frozenset({"Succeeded", "Failed", "Cancelled", "Superseded"})

_IMMUTABLE: Final = ("runId", "sources", "limit")


class StackReference(Model):
    """A LoppestarsStack in the same namespace."""

    name: Name


class CrawlSpec(Model):
    """Spec of a Crawl."""

    stack_ref: StackReference
    run_id: Annotated[str, Field(max_length=36, pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = Field(
        None, description="Id of the run's record; without it, the UID of this resource."
    )
    sources: Annotated[list[Annotated[str, Field(min_length=1, max_length=63)]], Field(max_length=32)] | None = Field(
        None, description="Names of the sources to crawl; without it, all of the stack's."
    )
    limit: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(None, description="Items per source at most.")
    accept_shrink: bool = Field(
        default=False, description="Accept a source that lists less than half of what it listed the last time."
    )
    dry_run: bool = Field(default=False, description="Fetch and extract, write nothing to the database.")
    cancel: bool = Field(default=False, description="Set it to true to stop the crawl; what is done is kept.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.stackRef == oldSelf.stackRef && self.dryRun == oldSelf.dryRun && "
                "self.acceptShrink == oldSelf.acceptShrink && "
                + " && ".join(
                    f"(has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name}))"
                    for name in _IMMUTABLE
                ),
                "only cancel can be changed; create another Crawl instead",
            ),
            ("!oldSelf.cancel || self.cancel", "a cancelled crawl cannot be resumed; create another Crawl"),
        )
    )


class CrawlCounts(Model):
    """What a crawl did with the items it saw."""

    seen: Count = 0
    new: Count = 0
    changed: Count = 0
    unchanged: Count = 0
    vanished: Count = 0
    skipped: Count = 0
    failed: Count = 0


class CrawlStatus(Model):
    """Status of a Crawl, written by the operator."""

    state: CrawlState | None = None
    trigger: Trigger | None = None
    run_id: Word | None = None
    job: Word | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    counts: CrawlCounts | None = None
    message: Text | None = None
