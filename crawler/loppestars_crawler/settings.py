"""Settings of the crawler: environment variables only, every one with its purpose."""

from typing import Annotated, Final, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings
from loppestars_crawler.geocoding.provider import GeocodingProvider
from loppestars_crawler.geocoding.services import NEED_A_KEY, open_service
from loppestars_crawler.pages import loppemarkeder_nu, markedskalenderen_dk
from loppestars_crawler.sites import Site

_BUILT_IN: Final = (markedskalenderen_dk.SOURCE, loppemarkeder_nu.SOURCE)
_Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


def _url(text: str) -> AnyHttpUrl:
    return cast("AnyHttpUrl", text)


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
        unknown = [name for name in self.default_sources if name not in self.sites]
        if unknown or not self.default_sources:
            known = ", ".join(self.sites)
            raise ValueError(f"CRAWL_SOURCES names {', '.join(unknown) or 'no source'}; known are {known}")
        return self

    @model_validator(mode="after")
    def _check_geocoding(self) -> Self:
        if self.geocoding_provider in NEED_A_KEY and self.geocoding_api_key is None:
            raise ValueError(f"GEOCODING_PROVIDER={self.geocoding_provider} needs GEOCODING_API_KEY")
        return self

    @property
    def default_sources(self) -> list[str]:
        """Sources of `CRAWL_SOURCES`, each once, in order."""
        return list(dict.fromkeys(name.strip() for name in self.crawl_sources.split(",") if name.strip()))

    @property
    def sites(self) -> dict[str, Site]:
        """The known sources, by name."""
        return {
            markedskalenderen_dk.SOURCE: Site(markedskalenderen_dk.SITE, str(self.markedskalenderen_url)),
            loppemarkeder_nu.SOURCE: Site(loppemarkeder_nu.SITE, str(self.loppemarkeder_url)),
            **{
                name: Site(origin, origin)
                for name, urls in self.jsonld_sources.items()
                for origin in [f"{urls[0].scheme}://{urlsplit(str(urls[0])).netloc}"]
            },
        }

    def geocoder(self) -> GeocodingProvider | None:
        """Return the geocoding provider, or None where none is asked."""
        return open_service(
            self.geocoding_provider,
            key=self.geocoding_api_key.get_secret_value() if self.geocoding_api_key else None,
            url=str(self.geocoding_url) if self.geocoding_url else None,
            user_agent=f"LoppestarsCrawler (+{self.crawler_contact})",
        )
