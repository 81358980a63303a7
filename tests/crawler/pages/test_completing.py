"""Details from two places."""

from decimal import Decimal

from loppestars_crawler.items import MarketDetails
from loppestars_crawler.pages.completing import completed


class TestCompleted:
    """A row and its page."""

    def test_row_and_page(self) -> None:
        """Expect the row's own words to count, a flag that either sets to be set, and silence to deny nothing."""
        row = MarketDetails(municipality="Odense", has_food=True, has_parking=None)
        page = MarketDetails(municipality="Fyn", address="Torvet 1", has_food=False, has_toilets=True)
        merged = completed(row, page)
        assert (merged.municipality, merged.address) == ("Odense", "Torvet 1")
        assert (merged.has_food, merged.has_parking, merged.has_toilets) == (True, None, True)

    def test_doubts(self) -> None:
        """Expect a doubt to go where the other place is plain."""
        doubt = MarketDetails(unclear={"entry_fee": "20-50 kr"})
        assert completed(doubt, MarketDetails()).unclear == {"entry_fee": "20-50 kr"}
        assert completed(doubt, MarketDetails(entry_fee=Decimal(20))).unclear == {}
