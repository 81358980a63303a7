"""The border of Denmark."""

import pytest

from loppestars_core.places.country import why_not_in_denmark
from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import danish_postal_codes

INSIDE = {
    "Skagen": (57.745, 10.65),
    "Helsingør harbour": (56.034, 12.615),
    "Rønne": (55.10, 14.70),
    "Christiansø": (55.32, 15.19),
    "Kruså": (54.85, 9.40),
    "Gedser": (54.57, 11.93),
    "Blåvand": (55.56, 8.08),
    "Anholt": (56.71, 11.52),
}
OUTSIDE = {
    "Malmö": (55.60, 12.99),
    "Helsingborg": (56.046, 12.69),
    "Ven": (55.91, 12.69),
    "Flensburg": (54.78, 9.43),
    "Sylt": (54.92, 8.33),
    "Simrishamn": (55.55, 14.35),
    "Paris": (48.85, 2.35),
    "swapped": (11.13, 54.83),
    "nothing": (float("nan"), 12.0),
}


class TestWhyNotInDenmark:
    """Skåne and Schleswig are inside every box around the country, and not in it."""

    @pytest.mark.parametrize("point", INSIDE.values(), ids=INSIDE.keys())
    def test_inside(self, point: tuple[float, float]) -> None:
        """Coasts, islands and the border towns."""
        assert why_not_in_denmark(Point(*point)) is None

    @pytest.mark.parametrize("point", OUTSIDE.values(), ids=OUTSIDE.keys())
    def test_outside(self, point: tuple[float, float]) -> None:
        """Across the water and across the border."""
        assert why_not_in_denmark(Point(*point))

    def test_postal_codes(self) -> None:
        """Every centre of the table is inside."""
        rows = danish_postal_codes().by_code.values()
        assert [row for row in rows if why_not_in_denmark(row.centre)] == []
