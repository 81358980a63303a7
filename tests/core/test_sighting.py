"""What a source said before and does not say now."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from loppestars_core.markets.models import MarketState
from loppestars_core.markets.sighting import SourceMarket, combine, completed, is_renumbered

DAY = date(2026, 12, 5)
BEFORE = SourceMarket(
    source="calendar",
    external_id="1",
    name="Loppemarked i Remisen",
    category="Loppemarked",
    start_date=DAY,
    end_date=DAY,
    municipality="København",
    address="Blegdamsvej 132",
    city="København Ø",
    postal_code="2100",
    latitude=55.7,
    longitude=12.57,
    organizer_phone="+45 20 12 34 56",
    entry_fee=Decimal(20),
    has_food=True,
)
SILENT = replace(
    BEFORE,
    address=None,
    postal_code=None,
    city=None,
    organizer_phone=None,
    entry_fee=None,
    has_food=None,
    latitude=None,
)


class TestCompleted:
    """Pages that say less."""

    def test_silence(self) -> None:
        """Expect every field that is not said any more to keep its value."""
        assert completed(SILENT, BEFORE) == BEFORE

    def test_a_town_of_the_municipality(self) -> None:
        """Expect an address to stay when only the municipality says where the market is."""
        vague = replace(SILENT, city="København", latitude=55.6, longitude=12.5, position_approximate=True)
        assert completed(vague, BEFORE) == BEFORE

    @pytest.mark.parametrize("change", [{"postal_code": "2200"}, {"address": "Torvet 1"}, {"municipality": "Odense"}])
    def test_a_market_that_moved(self, change: dict[str, str]) -> None:
        """Expect another place to be believed as a whole."""
        moved = completed(replace(SILENT, **change), BEFORE)
        assert (moved.address, moved.latitude) == (change.get("address"), None)

    def test_doubt(self) -> None:
        """Expect words that leave a doubt to empty their field."""
        doubt = replace(SILENT, unclear={"entry_fee": "20-50 kr"})
        assert completed(doubt, BEFORE).entry_fee is None

    def test_hash(self) -> None:
        """Expect fields of a later release not to change what was stored before."""
        assert "postponed" not in BEFORE.content()
        assert SourceMarket.of_raw(replace(BEFORE, postponed=True).raw()).postponed


class TestIsRenumbered:
    """Ids that change."""

    def test_same(self) -> None:
        """Expect the same name, days and place to be the same occurrence."""
        assert is_renumbered(replace(BEFORE, external_id="2", name="LOPPEMARKED i Remisen"), BEFORE)
        assert is_renumbered(SILENT, BEFORE)
        for change in ({"name": "Andet"}, {"start_date": date(2026, 12, 4)}, {"postal_code": "5000"}):
            assert not is_renumbered(replace(BEFORE, **change), BEFORE)  # type: ignore[arg-type]  # a change of any field


class TestCombine:
    """States."""

    def test_called_off(self) -> None:
        """Expect cancelled to count for more than postponed, and that for more than scheduled."""
        postponed = replace(BEFORE, postponed=True)
        assert combine([BEFORE, postponed])["state"] == MarketState.POSTPONED
        assert combine([postponed, replace(BEFORE, cancelled=True)])["state"] == MarketState.CANCELLED
