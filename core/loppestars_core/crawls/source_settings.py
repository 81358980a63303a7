"""A source as settings, commands and the API give it."""

from typing import Annotated, Final, Self

from croniter import croniter  # type: ignore[import-untyped]  # no types are published
from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from loppestars_core.contract.sources import BUILT_IN_SOURCES, SourceType
from loppestars_core.crawls.sources import DEFAULT_RANK

_CRON_FIELDS: Final = 5


def _check_schedule(text: str) -> str:
    if len(text.split()) != _CRON_FIELDS or not croniter.is_valid(text):
        raise ValueError(f"{text!r} is not a schedule: expected cron, e.g. '0 3 * * *'")
    return text


class SourceSetting(BaseModel):
    """A site with markets: its kind, where it begins, when it is crawled, and how politely."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    type: SourceType
    start_urls: Annotated[list[AnyHttpUrl], Field(max_length=8)] = []
    schedule: Annotated[str, Field(max_length=100), AfterValidator(_check_schedule)] | None = None
    enabled: bool = True
    rank: Annotated[int, Field(ge=0, le=1000)] = DEFAULT_RANK
    delay_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = None
    max_pages: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        if self.type.built_in != (self.name in BUILT_IN_SOURCES) or (self.type.built_in and self.name != self.type):
            known = " and ".join(BUILT_IN_SOURCES)
            raise ValueError(f"{self.name}: {known} are sources of their own type; give the other one another name")
        if self.type.built_in == bool(self.start_urls):
            raise ValueError(f"{self.name}: startUrls belong to jsonld, microdata and ics, which need them")
        if len({(url.scheme, url.host, url.port) for url in self.start_urls}) > 1:
            raise ValueError(f"{self.name}: the addresses are on several hosts; make a source of each")
        return self
