"""Where a market was put, and why: every point that is stored or refused says so in words."""

from dataclasses import dataclass
from enum import StrEnum

from loppestars_core.places.points import Point


class Verdict(StrEnum):
    """What came of the search for a point."""

    BELIEVED = "believed"
    """The source's own coordinates agree with what is known of the address."""
    FOUND = "found"
    """A geocoding provider knows the address."""
    POSTAL_CODE = "postal_code_centre"
    TOWN = "town_centre"
    MUNICIPALITY = "municipality_centre"
    UNKNOWN = "unknown"
    ABROAD = "abroad"
    """Not in Denmark: such a market is not listed."""


@dataclass(frozen=True, slots=True)
class Location:
    """A point, or none, with its verdict and a reason for a person; approximate is the middle of a larger area."""

    point: Point | None
    approximate: bool
    verdict: Verdict
    reason: str
