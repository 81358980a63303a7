"""Sites that the crawler reads."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Model, Url, rules
from loppestars_operator.spec.schedule import Schedule

BUILT_IN_SOURCES: Final = ("markedskalenderen", "loppemarkeder")
# Scheme, nothing, host and port; url() would exceed the API server's budget for rules.
_ON_ONE_HOST: Final = (
    "!has(self.startUrls) || self.startUrls.all(one, one.split('/', 4)[0] == self.startUrls[0].split('/', 4)[0] && "
    "one.split('/', 4)[2] == self.startUrls[0].split('/', 4)[2])"
)


class Politeness(Model):
    """How gently a site is read. What is not set keeps the crawler's own default."""

    delay_seconds: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        None, description="Least time between two requests to the site."
    )
    max_pages: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Most pages of it in one crawl."
    )


class Source(Model):
    """A site with markets: one that the crawler knows by name, or any that says its events in a form machines read."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    type: Literal["builtIn", "jsonld", "microdata", "ics"] = Field(
        "builtIn",
        description="jsonld or microdata: pages with events of schema.org, read from startUrls on; ics: calendars.",
    )
    start_urls: Annotated[list[Url], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Where a source that is not built in begins; all on one host."
    )
    schedule: Schedule | None = Field(
        None, description="When it is due (cron, in Denmark's time); crawler.schedule is when that is looked at."
    )
    enabled: bool = Field(default=True, description="Whether crawls that name no sources take it.")
    rank: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        None, description="Whose word counts where sources disagree: the lower one's."
    )
    politeness: Politeness | None = None

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"(self.type == 'builtIn') == (self.name in {list(BUILT_IN_SOURCES)!r})",
                f"built-in sources are {' and '.join(BUILT_IN_SOURCES)}; another site needs a name and type: jsonld",
            ),
            (
                "(self.type != 'builtIn') == has(self.startUrls)",
                "startUrls belong to a source of type jsonld, microdata or ics, which needs them",
            ),
            (
                _ON_ONE_HOST,
                "the startUrls of a source are on one host; make a source of each host",
            ),
        )
    )
