"""The interface of geocoding providers. A provider only finds; whether a point is believed is decided in `locating`."""

from dataclasses import dataclass
from typing import Protocol

from loppestars_core.places.points import Point
from loppestars_crawler.addresses.normalising import Address


@dataclass(frozen=True, slots=True)
class Found:
    """A provider's answer; `confidence` is 0 to 1 in the provider's own terms."""

    point: Point
    confidence: float | None = None


class GeocodingProvider(Protocol):
    """A service that knows where addresses are. It may raise anything: a failing provider never fails a crawl."""

    name: str

    async def find(self, address: Address) -> Found | None:
        """Return the point of an address, or None when it knows no such place."""


@dataclass(frozen=True, slots=True)
class CachedGeocode:
    """What was found before for an address: a point, or why there is none."""

    point: Point | None
    confidence: float | None
    rejected_reason: str | None


class GeocodeCache(Protocol):
    """Answers kept between crawls, by normalised address and provider."""

    async def find(self, key: str, provider: str) -> CachedGeocode | None:
        """Return the kept answer, also when it was rejected."""

    async def keep(self, key: str, provider: str, answer: CachedGeocode) -> None:
        """Keep an answer; keeping the same one again changes nothing."""


class NoCache:
    """A cache that remembers nothing, for a single question."""

    async def find(self, key: str, provider: str) -> CachedGeocode | None:  # noqa: ARG002 - the interface
        """Return nothing."""
        return None

    async def keep(self, key: str, provider: str, answer: CachedGeocode) -> None:
        """Forget the answer."""
