"""Draws the outline of Denmark for the page: `python3 -m tools.outline countries-10m.json`.

The file is Natural Earth's 1:10m (public domain) as the npm package world-atlas has it: `npm pack world-atlas@2`.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from loppestars_api.site.denmark import project

_DENMARK: Final = "208"
_TOLERANCE: Final = 0.9
_MIN_AREA: Final = 2.0
_OUTPUT: Final = Path(__file__).parents[1] / "api/loppestars_api/site/data/outline.txt"
_Point = tuple[float, float]


def main(path: str) -> None:
    """Write the path of the outline, in the units of `project`."""
    topology = json.loads(Path(path).read_text(encoding="utf-8"))
    country = next(found for found in topology["objects"]["countries"]["geometries"] if found.get("id") == _DENMARK)
    rings = [
        simplified([project(latitude, longitude) for longitude, latitude in ring(topology, polygon[0])])
        for polygon in country["arcs"]
    ]
    drawn = [shape for shape in rings if area(shape) >= _MIN_AREA]
    _OUTPUT.write_text("".join(map(drawing, sorted(drawn, key=area, reverse=True))) + "\n", encoding="utf-8")


def ring(topology: dict[str, Any], arcs: list[int]) -> list[_Point]:
    """Return degrees of a ring; a negative arc is a reversed one (TopoJSON)."""
    (scale_x, scale_y), (left, bottom) = topology["transform"]["scale"], topology["transform"]["translate"]
    found: list[_Point] = []
    for index in arcs:
        x = y = 0
        points = []
        for step_x, step_y in topology["arcs"][~index if index < 0 else index]:
            x, y = x + step_x, y + step_y
            points.append((x * scale_x + left, y * scale_y + bottom))
        found += points[::-1] if index < 0 else points
    return found


def simplified(points: list[_Point]) -> list[_Point]:
    """Return the points without those that are less than the tolerance off a line (Douglas and Peucker, 1973)."""
    if len(points) < 3:  # noqa: PLR2004 - a line
        return points
    (x, y), (last_x, last_y) = points[0], points[-1]
    length = ((last_x - x) ** 2 + (last_y - y) ** 2) ** 0.5

    def distance(point: _Point) -> float:
        if not length:
            return float(((point[0] - x) ** 2 + (point[1] - y) ** 2) ** 0.5)
        return float(abs((last_x - x) * (y - point[1]) - (x - point[0]) * (last_y - y)) / length)

    farthest = max(range(1, len(points) - 1), key=lambda index: distance(points[index]))
    if distance(points[farthest]) < _TOLERANCE:
        return [points[0], points[-1]]
    return [*simplified(points[: farthest + 1])[:-1], *simplified(points[farthest:])]


def area(points: list[_Point]) -> float:
    """Return the area of a ring (the shoelace formula)."""
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairwise(points))) / 2


def drawing(points: list[_Point]) -> str:
    """Return a ring as SVG has it."""
    return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in points[:-1]) + "Z"


if __name__ == "__main__":
    main(sys.argv[1])
