"""The stages of matching: days, place, streets, names; each with its reason."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from loppestars_core.markets.listing import Listing
from loppestars_core.markets.matching import compare
from loppestars_core.places.points import Point

DAY = date(2026, 12, 5)
REMISEN = Listing(
    name="Remisen Loppemarked",
    start_date=DAY,
    end_date=DAY,
    address="Blegdamsvej 132",
    postal_code="2100",
    city="København Ø",
)
NAMELESS = replace(REMISEN, name="Loppemarked")


class TestCompare:
    """One market as two sources say it."""

    @pytest.mark.parametrize(
        ("changes", "same"),
        [
            ({}, True),
            ({"name": "Remisen"}, True),
            ({"name": "Remisen Loppemarked på Østerbro"}, True),
            ({"name": "Remisen Børneloppemarked"}, False),
            ({"name": "Loppemarked i Fælledparken", "address": None}, False),
            ({"start_date": date(2026, 12, 4)}, False),
            ({"end_date": date(2026, 12, 6)}, True),
            ({"postal_code": None}, True),
            ({"postal_code": "8000", "city": "Aarhus C"}, False),
            ({"name": "Loppemarked"}, True),
            ({"name": "Loppemarked", "address": None}, False),
            ({"postal_code": None, "city": None, "address": None}, False),
            ({"address": "Ny Blegdamsvej"}, True),
            ({"point": Point(55.70, 12.57)}, True),
        ],
    )
    def test_stages(self, changes: dict[str, Any], same: bool) -> None:  # noqa: FBT001 - a row of the table
        """The same days and place, one name within the other; doubt keeps apart. The order does not matter."""
        other = replace(REMISEN, **changes)
        assert compare(REMISEN, other).same is same
        assert compare(other, REMISEN).same is same

    def test_house_numbers(self) -> None:
        """A letter apart or a range is one house, another number is not."""
        assert compare(NAMELESS, replace(NAMELESS, address="blegdamsvej 132 A")).same
        assert compare(NAMELESS, replace(NAMELESS, address="Blegdamsvej 130-134, st. tv.")).same
        assert not compare(NAMELESS, replace(NAMELESS, address="Blegdamsvej 13")).same

    def test_points(self) -> None:
        """Far apart is apart, whatever the names; the same spot is one house."""
        here = replace(REMISEN, point=Point(55.6963, 12.5730))
        assert not compare(here, replace(here, point=Point(55.75, 12.50))).same
        spot = replace(NAMELESS, address=None, point=here.point)
        assert compare(spot, replace(spot, name="Stort loppemarked", point=Point(55.6964, 12.5731))).same

    def test_doubt(self) -> None:
        """The same scouts without a street are left to an admin."""
        one = replace(REMISEN, name="Spejdernes Loppemarked", address=None)
        doubted = compare(one, replace(one, name="Spejdernes Loppemarked Trekløver"))
        assert doubted.doubtful
        assert not doubted.same

    def test_reasons(self) -> None:
        """Every stage says what it found."""
        reasons = compare(REMISEN, replace(REMISEN, address="Torvet 4")).reasons
        assert reasons[0] == "the same days"
        assert "the same postal code, 2100" in reasons
        assert any("different addresses" in reason for reason in reasons)

    @pytest.mark.parametrize("name", ["", "蚤市場", "!!!", "a" * 500, "Loppemarked " * 40])
    def test_any_name(self, name: str) -> None:
        """Whatever it is called, nothing is raised."""
        assert compare(REMISEN, replace(REMISEN, name=name)).score >= 0
