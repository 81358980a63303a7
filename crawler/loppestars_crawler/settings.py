"""Settings of the crawler: environment variables only, every one with its purpose."""

from dataclasses import replace
from typing import Annotated, Final, Literal, Self, cast

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from loppestars_core.contract.sources import SourceType
from loppestars_core.crawls.source_settings import SourceSetting
from loppestars_core.crawls.sources import SourceSpec
from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings
from loppestars_crawler.geocoding.provider import GeocodingProvider
from loppestars_crawler.geocoding.services import NEED_A_KEY, open_service
from loppestars_crawler.pages import loppemarkeder_nu, markedskalenderen_dk

_BUILT_IN: Final = (markedskalenderen_dk.SOURCE, loppemarkeder_nu.SOURCE)
# Structured words count for more than those read from a table.
_RANKS: Final = {loppemarkeder_nu.SOURCE: 10, markedskalenderen_dk.SOURCE: 20}
_Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


def _url(text: str) -> AnyHttpUrl:
    return cast("AnyHttpUrl", text)


def _texts(urls: list[AnyHttpUrl]) -> tuple[str, ...]:
    return tuple(str(url) for url in urls)


class FetchSettings(ComponentSettings):
    """How pages are fetched."""

    crawler_contact: Annotated[str, Field(min_length=5, max_length=200, pattern=r"^[\x21-\x7e]+$")] = Field(
        "https://loppestars.dev", description="contact in the User-Agent: a URL or e-mail address"
    )
    crawl_delay_seconds: _Seconds = Field(1.0, description="minimum seconds between two requests to a site")
    download_timeout: Annotated[float, Field(gt=0, le=600)] = Field(30.0, description="seconds to wait for an answer")
    retry_times: Annotated[int, Field(ge=0, le=10)] = Field(3, description="retries of 5xx, 429 and time-outs")
    retry_delay: _Seconds = Field(2.0, description="seconds before the first retry; doubles each time")
    max_retry_after_seconds: _Seconds = Field(120.0, description="maximum Retry-After that a crawl waits for")
    max_page_bytes: Annotated[int, Field(ge=10_000, le=1_000_000_000)] = Field(
        20_000_000, description="maximum bytes of a page, unpacked"
    )
    max_pages: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1_000, description="maximum pages of one source in one crawl"
    )


class CrawlerSettings(FetchSettings, DatabaseSettings):
    """What a crawl reads."""

    markedskalenderen_url: AnyHttpUrl = Field(
        _url(markedskalenderen_dk.SITE),
        validate_default=True,
        description="address of markedskalenderen.dk or of a copy",
    )
    loppemarkeder_url: AnyHttpUrl = Field(
        _url(loppemarkeder_nu.SITE), validate_default=True, description="address of loppemarkeder.nu or of a copy"
    )
    crawl_sources: str = Field(
        f"{markedskalenderen_dk.SOURCE},{loppemarkeder_nu.SOURCE}",
        description="sources of a crawl that names none, separated by commas",
    )
    jsonld_sources: dict[
        Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)],
        Annotated[list[AnyHttpUrl], Field(min_length=1, max_length=8)],
    ] = Field(
        {},
        max_length=32,
        description=(
            "more sources: pages with JSON-LD, microdata or h-events, sitemaps or calendars (ICS), as JSON: "
            '{"name": ["https://…", …]}'
        ),
    )
    more_sources: Annotated[list[SourceSetting], Field(max_length=500)] = Field(
        [],
        description=(
            'more sources as JSON: [{"name": "torvet", "type": "jsonld", "startUrls": ["https://…"], "schedule": '
            '"0 3 * * *", "delaySeconds": 2, "maxPages": 100, "rank": 100, "enabled": true}, …]; types are jsonld, '
            "microdata and ics"
        ),
    )
    parallel_sources: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="sources of different hosts that are crawled at the same time"
    )
    max_source_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        3_600, description="seconds after which a source is left for this time; what it listed is kept"
    )
    geocoding_provider: Literal["none", "datafordeleren", "geoapify", "nominatim"] = Field(
        "none",
        description="service that is asked for points; none: places without coordinates get the middle of their "
        "postal code, marked approximate",
    )
    geocoding_api_key: SecretStr | None = Field(None, description="key of datafordeleren (its token) or geoapify")
    geocoding_url: AnyHttpUrl | None = Field(None, description="address of a copy of the geocoding service")
    deadline_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        None, description="seconds after which a crawl ends itself and keeps what it has; unlimited by default"
    )
    termination_message_path: str | None = Field(None, description="file to which the final counts are written as JSON")

    @model_validator(mode="after")
    def _check_jsonld_sources(self) -> Self:
        for name, urls in self.jsonld_sources.items():
            if name in _BUILT_IN:
                raise ValueError(f"JSONLD_SOURCES names {name}, which is a source of its own; give it another name")
            if len({(url.scheme, url.host, url.port) for url in urls}) > 1:
                raise ValueError(f"JSONLD_SOURCES: the addresses of {name} are on several hosts; make a source of each")
        return self

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        known = [source.name for source in self.sources]
        unknown = [name for name in self.named_sources if name not in known]
        if unknown or not (self.named_sources or self.more_sources):
            raise ValueError(f"CRAWL_SOURCES names {', '.join(unknown) or 'no source'}; known are {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _check_geocoding(self) -> Self:
        if self.geocoding_provider in NEED_A_KEY and self.geocoding_api_key is None:
            raise ValueError(f"GEOCODING_PROVIDER={self.geocoding_provider} needs GEOCODING_API_KEY")
        return self

    @property
    def named_sources(self) -> list[str]:
        """Sources of `CRAWL_SOURCES`, each once, in order."""
        return list(dict.fromkeys(name.strip() for name in self.crawl_sources.split(",") if name.strip()))

    @property
    def sources(self) -> list[SourceSpec]:
        """The sources that the settings bring, each once; `MORE_SOURCES` says more of those that others name."""
        named = self.named_sources
        known = {
            **{name: self._built_in(name, enabled=name in named) for name in _BUILT_IN},
            **{
                name: SourceSpec(name=name, type=SourceType.JSONLD, start_urls=_texts(urls), enabled=name in named)
                for name, urls in self.jsonld_sources.items()
            },
            **{setting.name: self.spec_of(setting) for setting in self.more_sources},
        }
        return [known[name] for name in dict.fromkeys([*named, *known]) if name in known]

    def spec_of(self, setting: SourceSetting) -> SourceSpec:
        """Return the source of a setting; the built-in ones are where their own variables say."""
        given = setting.model_dump(exclude={"start_urls"}, exclude_unset=True)
        if setting.type.built_in:
            return replace(self._built_in(setting.name, enabled=True), **given)
        return SourceSpec(**given, start_urls=_texts(setting.start_urls))

    def _built_in(self, name: str, *, enabled: bool) -> SourceSpec:
        url = self.markedskalenderen_url if name == markedskalenderen_dk.SOURCE else self.loppemarkeder_url
        return SourceSpec(name=name, type=SourceType(name), start_urls=(str(url),), rank=_RANKS[name], enabled=enabled)

    def geocoder(self) -> GeocodingProvider | None:
        """Return the geocoding provider, or None where none is asked."""
        return open_service(
            self.geocoding_provider,
            key=self.geocoding_api_key.get_secret_value() if self.geocoding_api_key else None,
            url=str(self.geocoding_url) if self.geocoding_url else None,
            user_agent=f"LoppestarsCrawler (+{self.crawler_contact})",
        )
