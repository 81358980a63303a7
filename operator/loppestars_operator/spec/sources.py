"""Sites that the crawler reads."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Model, Url, rules

BUILT_IN_SOURCES: Final = ("markedskalenderen", "loppemarkeder")
# Scheme, nothing, host and port; url() would exceed the API server's budget for rules.
_ON_ONE_HOST: Final = (
    "!has(self.startUrls) || self.startUrls.all(one, one.split('/', 4)[0] == self.startUrls[0].split('/', 4)[0] && "
    "one.split('/', 4)[2] == self.startUrls[0].split('/', 4)[2])"
)


class Source(Model):
    """A site with markets: one that the crawler knows by name, or any that says its events in JSON-LD."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    type: Literal["builtIn", "jsonld"] = Field(
        "builtIn", description="jsonld: pages with events of schema.org, read from startUrls on."
    )
    start_urls: Annotated[list[Url], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Where a jsonld source begins; all on one host."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"(self.type == 'builtIn') == (self.name in {list(BUILT_IN_SOURCES)!r})",
                f"built-in sources are {' and '.join(BUILT_IN_SOURCES)}; another site needs a name and type: jsonld",
            ),
            (
                "(self.type == 'jsonld') == has(self.startUrls)",
                "startUrls belong to a source of type jsonld, which needs them",
            ),
            (
                _ON_ONE_HOST,
                "the startUrls of a source are on one host; make a source of each host",
            ),
        )
    )
