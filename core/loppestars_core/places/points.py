"""Points on the map and the distances between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius of the Earth (IUGG), the one that the great-circle distance of the market lists uses too."""

MAX_FROM_CENTRE_KM: Final = 30.0
"""A point farther than this from the centre of its postal code belongs to another place of the same name."""


@dataclass(frozen=True, slots=True)
class Point:
    """Latitude and longitude in degrees (WGS 84)."""

    latitude: float
    longitude: float


def distance_km(one: Point, other: Point) -> float:
    """Return the great-circle distance (haversine formula)."""
    latitudes = math.radians(one.latitude), math.radians(other.latitude)
    half_height = (latitudes[1] - latitudes[0]) / 2
    half_width = math.radians(other.longitude - one.longitude) / 2
    chord = math.sin(half_height) ** 2 + math.cos(latitudes[0]) * math.cos(latitudes[1]) * math.sin(half_width) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, chord)))


def centre_of(points: Sequence[Point]) -> Point:
    """Return the middle of points that lie close together; at least one."""
    return Point(
        round(sum(point.latitude for point in points) / len(points), 5),
        round(sum(point.longitude for point in points) / len(points), 5),
    )


def why_not_near(point: Point, centre: Point, name: str) -> str | None:
    """Return why a point is too far from the centre of the place that it should be in, or None."""
    distance = distance_km(point, centre)
    if distance > MAX_FROM_CENTRE_KM:
        return f"{distance:.0f} km from the centre of {name}, farther than {MAX_FROM_CENTRE_KM:.0f} km"
    return None
