"""The table of postal codes and the distances that are judged by it."""

import pytest

from loppestars_core.places.points import Point, distance_km, why_not_near
from loppestars_core.places.postal_codes import danish_postal_codes

TABLE = danish_postal_codes()


class TestTable:
    """What the package brings."""

    def test_whole(self) -> None:
        """More than a thousand codes in 98 municipalities."""
        assert len(TABLE.by_code) > 1000
        assert len(TABLE.municipalities) == 98
        assert TABLE.by_code["4900"].town == "Nakskov"

    @pytest.mark.parametrize(
        ("name", "town"),
        [
            ("københavn ø", "København Ø"),
            ("Kbh. N", "København N"),
            ("Århus", "Aarhus"),
            ("Kgs. Lyngby", "Kongens Lyngby"),
            ("Nr. Aaby", "Nørre Aaby"),
            ("Lem", "Lem St"),
            ("Viby", None),
            ("Hallen", None),
        ],
    )
    def test_town_named(self, name: str, town: str | None) -> None:
        """Spellings and short names; what two towns share names neither."""
        assert TABLE.town_named(name) == town


class TestDistance:
    """Points of the old geocoder."""

    def test_old_mistakes(self) -> None:
        """A Copenhagen square in Jutland is rejected, the middle of Copenhagen is not."""
        centre = TABLE.by_code["1609"].centre
        assert distance_km(Point(56.4604, 9.4023), centre) > 200
        assert why_not_near(Point(56.4604, 9.4023), centre, "1609 København V") is not None
        assert why_not_near(Point(55.6761, 12.5683), centre, "1609 København V") is None
