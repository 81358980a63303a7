"""The border of Denmark as a polygon: Skåne and Schleswig are inside every box around the country, not inside this."""

import json
import math
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TypeAlias

from loppestars_core.places.points import Point

Ring: TypeAlias = tuple[tuple[float, float], ...]


def why_not_in_denmark(point: Point) -> str | None:
    """Return what is wrong with a point, or None when it lies in Denmark or less than some 7 km off its coast."""
    if not (math.isfinite(point.latitude) and math.isfinite(point.longitude)):
        return "the coordinates are not numbers"
    if not any(_inside(point, ring) for ring in outline()):
        return f"{point.latitude}, {point.longitude} is outside Denmark"
    return None


@cache
def outline() -> tuple[Ring, ...]:
    """Return the border, some 7 km off the coast, as rings of longitude and latitude."""
    text = (files("loppestars_core.places") / "data" / "denmark.geojson").read_text(encoding="utf-8")
    polygons = json.loads(text)["geometry"]["coordinates"]
    return tuple(tuple((x, y) for x, y in polygon[0]) for polygon in polygons)


def _inside(point: Point, ring: Ring) -> bool:
    """Cast a ray to the east and count the edges that it crosses: odd is inside."""
    inside = False
    for (x, y), (next_x, next_y) in pairwise(ring):
        if (y > point.latitude) != (next_y > point.latitude):
            crossing = x + (point.latitude - y) / (next_y - y) * (next_x - x)
            inside ^= crossing > point.longitude
    return inside
