"""Decide where a market is. The rules of what is believed are here, the looking up is the provider's."""

from typing import Final

import structlog

from loppestars_core.places.country import why_not_in_denmark
from loppestars_core.places.points import MAX_FROM_CENTRE_KM, Point, distance_km, why_not_near
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import Address
from loppestars_crawler.geocoding.location import Location, Verdict
from loppestars_crawler.geocoding.provider import CachedGeocode, GeocodeCache, GeocodingProvider
from loppestars_crawler.metrics import GEOCODES

log = structlog.get_logger(__name__)

_MAX_FAILURES: Final = 5
"""After so many in a row a provider is left alone for the rest of the crawl."""


class Locator:
    """Finds points for addresses; with no provider, places without coordinates get the middle of their postal code."""

    def __init__(self, cache: GeocodeCache, provider: GeocodingProvider | None = None) -> None:
        """`cache` keeps what the provider answered and what was rejected."""
        self._cache = cache
        self._provider = provider
        self._failures = 0

    async def locate(self, address: Address, given: Point | None, *, source: str, abroad: bool = False) -> Location:
        """Return where an address is; `given` is the source's own point, which is preferred when it can be right.

        `abroad` says that the words name another country; then only a Danish postal code or town is believed.
        """
        rejected = self._refusal(given, address) if given is not None else None
        if given is not None:
            GEOCODES.labels(source, "rejected" if rejected else "believed").inc()
        if given is not None and rejected is None:
            return Location(given, approximate=False, verdict=Verdict.BELIEVED, reason=_why_believed(given, address))
        if given is not None and rejected and address.key:
            await self._cache.keep(address.key, source, CachedGeocode(given, None, rejected))
        outside = given is not None and why_not_in_denmark(given) is not None
        if (abroad or outside) and not address.codes:
            reason = rejected or "the address names another country"
            return Location(None, approximate=False, verdict=Verdict.ABROAD, reason=reason)
        found, note = await self._look_up(address)
        notes = [f"the source's coordinates were rejected: {rejected}" if rejected else "", note]
        if found is not None:
            reason = _sentence(f"{self._provider.name if self._provider else 'a provider'} knows the address", *notes)
            return Location(found, approximate=False, verdict=Verdict.FOUND, reason=reason)
        return _centre(address, [note for note in notes if note])

    def _refusal(self, point: Point, address: Address) -> str | None:
        """Return why a point cannot be an address's: outside Denmark, or too far from all that it may be."""
        if reason := why_not_in_denmark(point):
            return reason
        if not address.codes:
            return None
        nearest = danish_postal_codes().nearest(point, address.codes)
        return why_not_near(point, nearest.centre, _area(address))

    async def _look_up(self, address: Address) -> tuple[Point | None, str]:
        """Return the provider's point and a note; from the cache where it was asked before. Only streets are asked."""
        if self._provider is None or not address.street or not address.key:
            return None, ""
        provider = self._provider.name
        cached = await self._cache.find(address.key, provider)
        if cached is None:
            if self._failures >= _MAX_FAILURES:
                return None, f"{provider} failed too often and is not asked"
            try:
                found = await self._provider.find(address)
            except Exception as error:  # noqa: BLE001 - a failing provider never fails the crawl
                self._failures += 1
                GEOCODES.labels(provider, "error").inc()
                log.warning("geocoding_failed", provider=provider, error=type(error).__name__, detail=str(error)[:200])
                return None, f"{provider} failed: {type(error).__name__}"
            self._failures = 0
            cached = CachedGeocode(None, None, "the provider knows no such place")
            if found is not None:
                cached = CachedGeocode(found.point, found.confidence, self._refusal(found.point, address))
            await self._cache.keep(address.key, provider, cached)
        GEOCODES.labels(provider, "rejected" if cached.rejected_reason else "found").inc()
        if cached.rejected_reason:
            return None, f"{provider}: {cached.rejected_reason}"
        return cached.point, ""


def _why_believed(point: Point, address: Address) -> str:
    if not address.codes:
        return "the source's coordinates are in Denmark, and no words say where else it could be"
    nearest = danish_postal_codes().nearest(point, address.codes)
    distance = distance_km(point, nearest.centre)
    because = f" ({address.reasons[0]})" if address.reasons else ""
    return (
        f"the source's coordinates are {distance:.0f} km from the centre of {_area(address)}{because}, "
        f"at most {MAX_FROM_CENTRE_KM:.0f} km are believed"
    )


def _centre(address: Address, notes: list[str]) -> Location:
    """Return the middle of the postal code, else of the town, else of the municipality, else nothing."""
    table = danish_postal_codes()
    because = f", known by {', '.join(address.reasons)}" if address.reasons else ""
    if row := table.get(address.postal_code):
        reason = _sentence(f"the middle of {row.code} {row.town}{because}", *notes)
        return Location(row.centre, approximate=True, verdict=Verdict.POSTAL_CODE, reason=reason)
    if address.city and (centre := table.centre_of_town(address.city)):
        reason = _sentence(f"the middle of {address.city}{because}", *notes)
        return Location(centre, approximate=True, verdict=Verdict.TOWN, reason=reason)
    if address.municipality and (centre := table.centre_of_municipality(address.municipality)):
        reason = _sentence(f"the middle of the municipality {address.municipality}{because}", *notes)
        return Location(centre, approximate=True, verdict=Verdict.MUNICIPALITY, reason=reason)
    reason = _sentence("nothing says which town it is in", *notes)
    return Location(None, approximate=False, verdict=Verdict.UNKNOWN, reason=reason)


def _area(address: Address) -> str:
    place = " ".join(part for part in (address.postal_code, address.city) if part)
    return place or address.municipality or "the area that the words name"


def _sentence(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
