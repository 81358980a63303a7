"""What admins read and write of sources, and of markets that are not believed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from loppestars_core.contract.sources import SourceType
from loppestars_core.crawls.health import Health, health_of, outcomes_of
from loppestars_core.crawls.models import CrawlSource, Source
from loppestars_core.markets.models import QuarantinedMarket


class SourceChange(BaseModel):
    """A source as it is to be; without a schedule it is crawled with each run."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid")

    type: SourceType
    start_urls: Annotated[list[AnyHttpUrl], Field(max_length=8)] = Field(
        [], description="Where it begins, all on one host; those of a built-in source stay."
    )
    schedule: str | None = Field(None, max_length=100, description="Cron, in Danish time.", examples=["0 3 * * *"])
    enabled: bool = True
    rank: int | None = Field(None, ge=0, le=1000, description="Whose words count where sources differ: the lowest.")
    delay_seconds: float | None = Field(None, ge=0, le=3600, allow_inf_nan=False)
    max_pages: int | None = Field(None, ge=1, le=100_000)


class SourceRecord(BaseModel):
    """A source, how its last crawl ended, and how healthy it is."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    name: str
    type: SourceType
    start_urls: list[str]
    schedule: str | None
    enabled: bool
    rank: int
    delay_seconds: float | None
    max_pages: int | None
    managed_by: Literal["settings", "admin"]
    health: Health
    last_state: str | None
    last_finished_at: datetime | None
    listed: int | None = Field(description="Markets that its last crawl found.")
    page_seconds: float | None = Field(description="How long a page took on average in its last crawl.")
    warnings: list[str]
    error: str | None
    quarantined: int = Field(description="Markets of it that wait for an admin.")

    @classmethod
    def of(cls, row: Source, crawls: Sequence[CrawlSource], quarantined: int) -> Self:
        outcomes = outcomes_of(crawls)
        last = crawls[0] if crawls else None
        said = ("name", "type", "start_urls", "schedule", "enabled", "rank", "delay_seconds", "max_pages", "managed_by")
        values: dict[str, Any] = {name: getattr(row, name) for name in said}
        return cls(
            **values,
            health=health_of(outcomes),
            last_state=last.state if last else None,
            last_finished_at=last.finished_at if last else None,
            listed=last.new + last.changed + last.unchanged if last else None,
            page_seconds=outcomes[0].page_seconds if outcomes else None,
            warnings=last.warnings if last else [],
            error=last.error if last else None,
            quarantined=quarantined,
        )


class QuarantinedRecord(BaseModel):
    """A market that was understood and is not believed."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    id: int
    source: str
    external_id: str
    reason: str
    market: dict[str, Any] = Field(description="What its source says of it.")
    run_id: str | None
    last_seen_at: datetime

    @classmethod
    def of(cls, row: QuarantinedMarket) -> Self:
        return cls(
            id=row.id,
            source=row.source,
            external_id=row.external_id,
            reason=row.reason,
            market=row.raw["market"],
            run_id=str(row.run_id) if row.run_id else None,
            last_seen_at=row.last_seen_at,
        )


class ReleaseResponse(BaseModel):
    success: Literal[True] = True
    name: str = Field(description="The name of the market that is listed now.")
