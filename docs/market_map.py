"""Draw the sample markets on a map of Denmark: `make docs`. A test fails when docs/pictures/markets.svg is old."""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loppestars_core.places.country import outline
from loppestars_local.sample_site.catalogue import sample_markets

PICTURE: Final = Path(__file__).with_name("pictures") / "markets.svg"
WIDTH: Final = 720
MARGIN: Final = 12
WEST: Final = 8.0
EAST: Final = 15.25
SOUTH: Final = 54.5
NORTH: Final = 57.8
# Degrees of longitude are shorter here than those of latitude.
SHRINK: Final = math.cos(math.radians((SOUTH + NORTH) / 2))
SCALE: Final = (WIDTH - 2 * MARGIN) / ((EAST - WEST) * SHRINK)
HEIGHT: Final = round((NORTH - SOUTH) * SCALE + 2 * MARGIN)


def place(longitude: float, latitude: float) -> tuple[float, float]:
    """Return where a point is on the picture."""
    return MARGIN + (longitude - WEST) * SHRINK * SCALE, MARGIN + (NORTH - latitude) * SCALE


def path_of(points: Iterable[tuple[float, float]]) -> str:
    """Return a closed line through points of longitude and latitude."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in points)) + "Z"


def drawn() -> str:
    """Return the picture."""
    land = "".join(f'<path d="{path_of(polygon)}"/>' for polygon in outline())
    dots = []
    for market in sample_markets():
        x, y = place(market.point.longitude, market.point.latitude)
        dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{market.place.town}</title></circle>')
    towns = len({market.place.town for market in sample_markets()})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Denmark with {len(dots)} sample markets in {towns} towns">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#eaf2f8"/>\n'
        f'<g fill="#f6f1e3" stroke="#b9ad8c" stroke-width="0.8">{land}</g>\n'
        f'<g fill="#c0392b" fill-opacity="0.75" stroke="#fff" stroke-width="0.8">\n'
        + "\n".join(dots)
        + "\n</g>\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
    sys.stdout.write(f"Wrote docs/pictures/{PICTURE.name}.\n")
