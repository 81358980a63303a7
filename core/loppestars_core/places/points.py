"""Points on the map: distance, and whether a point can be a Danish market at all."""

import math
from dataclasses import dataclass

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG), the one that the great-circle distance of the market lists uses too."""

SOUTH, NORTH, WEST, EAST = 54.5, 57.8, 8.0, 15.3
"""Denmark with all its islands, in degrees."""

FARTHEST_FROM_POSTAL_CODE_KM = 30.0
"""A point farther from the centre of its postal code than this belongs to another place of the same name."""


@dataclass(frozen=True, slots=True)
class Point:
    """Latitude and longitude in degrees (WGS 84)."""

    latitude: float
    longitude: float


def distance_km(one: Point, other: Point) -> float:
    """Great-circle distance (haversine formula)."""
    latitudes = math.radians(one.latitude), math.radians(other.latitude)
    half_height = (latitudes[1] - latitudes[0]) / 2
    half_width = math.radians(other.longitude - one.longitude) / 2
    chord = math.sin(half_height) ** 2 + math.cos(latitudes[0]) * math.cos(latitudes[1]) * math.sin(half_width) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, chord)))


def centre_of(points: list[Point]) -> Point:
    """Middle of points that lie close together; at least one."""
    return Point(
        round(sum(point.latitude for point in points) / len(points), 5),
        round(sum(point.longitude for point in points) / len(points), 5),
    )


def why_not_in_denmark(point: Point) -> str | None:
    """Say what is wrong with a point, or None when it lies in Denmark."""
    if not (math.isfinite(point.latitude) and math.isfinite(point.longitude)):
        return "the coordinates are not numbers"
    if not (SOUTH <= point.latitude <= NORTH and WEST <= point.longitude <= EAST):
        return f"{point.latitude}, {point.longitude} is outside Denmark ({SOUTH}-{NORTH} N, {WEST}-{EAST} E)"
    return None


def why_not_near(point: Point, centre: Point, name: str) -> str | None:
    """Say that a point is too far from the centre of the place it should be in, or None."""
    distance = distance_km(point, centre)
    if distance > FARTHEST_FROM_POSTAL_CODE_KM:
        return f"{distance:.0f} km from the centre of {name}, farther than {FARTHEST_FROM_POSTAL_CODE_KM:.0f} km"
    return None
