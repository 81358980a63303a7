"""Decide where a market is. The rules of what is believed are here, the looking up is the provider's."""

from dataclasses import dataclass

import structlog

from loppestars_core.places.points import Point, why_not_in_denmark, why_not_near
from loppestars_core.places.postal_codes import PostalCodes, danish_postal_codes
from loppestars_crawler.addresses.normalising import Address, municipality_name
from loppestars_crawler.geocoding.provider import CachedGeocode, GeocodeCache, GeocodingProvider
from loppestars_crawler.metrics import GEOCODES

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Location:
    """A believed point; approximate is the middle of a postal code or town."""

    point: Point
    approximate: bool


class Locator:
    """Finds points for addresses; with no provider, places without coordinates get the middle of their postal code."""

    def __init__(
        self,
        cache: GeocodeCache,
        provider: GeocodingProvider | None = None,
        table: PostalCodes | None = None,
    ) -> None:
        self._cache = cache
        self._provider = provider
        self._table = table or danish_postal_codes()

    async def locate(
        self,
        address: Address,
        given: Point | None,
        *,
        source: str,
        municipality: str | None = None,
    ) -> Location | None:
        """Where an address is; `given` is the source's own point, which is preferred when it can be right."""
        if given is not None:
            reason = self.why_not(given, address)
            if reason is None:
                GEOCODES.labels(source, "believed").inc()
                return Location(given, approximate=False)
            GEOCODES.labels(source, "rejected").inc()
            if address.key:
                await self._cache.keep(address.key, source, CachedGeocode(given, None, reason))
        found = await self._look_up(address)
        if found is not None:
            return Location(found, approximate=False)
        centre = self._centre(address, municipality)
        return Location(centre, approximate=True) if centre else None

    def why_not(self, point: Point, address: Address) -> str | None:
        """Why a point cannot be an address's, or None: outside Denmark, or too far from its postal code or town."""
        if reason := why_not_in_denmark(point):
            return reason
        if row := self._table.get(address.postal_code):
            return why_not_near(point, row.centre, f"{row.code} {row.town}")
        if address.city and (centre := self._table.centre_of_town(address.city)):
            return why_not_near(point, centre, address.city)
        return None

    async def _look_up(self, address: Address) -> Point | None:
        """The provider's point, from the cache where it was asked before; only streets are worth a question."""
        if self._provider is None or not address.street or not address.key:
            return None
        provider = self._provider.name
        cached = await self._cache.find(address.key, provider)
        if cached is None:
            try:
                found = await self._provider.find(address)
            except Exception as error:  # noqa: BLE001 - a failing provider never fails the crawl
                GEOCODES.labels(provider, "error").inc()
                log.warning("geocoding failed", provider=provider, error=str(error))
                return None
            if found is None:
                cached = CachedGeocode(None, None, "the provider knows no such place")
            else:
                cached = CachedGeocode(found.point, found.confidence, self.why_not(found.point, address))
            await self._cache.keep(address.key, provider, cached)
        GEOCODES.labels(provider, "rejected" if cached.rejected_reason else "found").inc()
        return None if cached.rejected_reason else cached.point

    def _centre(self, address: Address, municipality: str | None) -> Point | None:
        """Middle of the postal code, else of the town, else of the town that the municipality is named after."""
        if row := self._table.get(address.postal_code):
            return row.centre
        town = address.city or self._table.town_named(municipality_name(municipality))
        return self._table.centre_of_town(town) if town else None
