"""Words and coordinates of a source in, one placed address out: what a crawl stores and what `geocode` explains."""

from dataclasses import dataclass, replace
from typing import Any, Final

from loppestars_core.places.country import why_not_in_denmark
from loppestars_core.places.points import Point, distance_km
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import Address, PlaceWords, is_abroad, normalise_address
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.location import Location, Verdict

_MAX_TO_TOWN_KM: Final = 3.0
_MAX_TO_MUNICIPALITY_KM: Final = 10.0


@dataclass(frozen=True, slots=True)
class Placed:
    """An address and its point."""

    address: Address
    location: Location

    def explained(self) -> dict[str, Any]:
        """Return verdict and reasons as they are kept with a sighting."""
        return {
            "verdict": str(self.location.verdict),
            "reason": self.location.reason,
            "decided_by": list(self.address.reasons),
        }


async def place(words: PlaceWords, given: Point | None, locator: Locator, *, source: str) -> Placed:
    """Return the address that the words give and where it is.

    Where no word names a place, believed coordinates do: the town whose centre is within 3 km, the municipality of
    the nearest one within 10 km.
    """
    point = given if given is not None and why_not_in_denmark(given) is None else None
    address = normalise_address(words, point)
    location = await locator.locate(address, given, source=source, abroad=is_abroad(words))
    if location.verdict is Verdict.BELIEVED and given is not None and not address.codes:
        address = _named_by_point(address, given)
    return Placed(address, location)


def _named_by_point(address: Address, point: Point) -> Address:
    table = danish_postal_codes()
    nearest = table.nearest(point)
    distance = distance_km(point, nearest.centre)
    if distance > _MAX_TO_MUNICIPALITY_KM:
        return address
    if distance > _MAX_TO_TOWN_KM:
        return replace(address, municipality=nearest.municipality)
    only = table.only_code_of(nearest.town)
    return replace(
        address,
        postal_code=only.code if only else None,
        city=nearest.town,
        municipality=nearest.municipality,
        reasons=(f"the coordinates, {distance:.1f} km from the centre of {nearest.town}",),
    )
