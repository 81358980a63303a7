"""What the crawl of a source was worth."""

from dataclasses import replace
from datetime import date

import pytest

from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.judging import Coverage, added, coverage_of, coverage_warnings, shrink_reason

DAY = date(2026, 12, 5)
MARKET = SourceMarket(
    source="a", external_id="1", name="Loppemarked", category="Loppemarked", start_date=DAY, end_date=DAY, city="Odense"
)


class TestShrinkReason:
    """Half of last time."""

    @pytest.mark.parametrize(
        ("now", "last_time", "believed"),
        [(50, 100, True), (49, 100, False), (0, None, True), (0, 1, False), (5, 0, True)],
    )
    def test_half(self, now: int, last_time: int | None, believed: bool) -> None:  # noqa: FBT001 - a row of the table
        """Expect less than half to be a broken site, not the end of flea markets."""
        assert (shrink_reason(now, last_time) is None) is believed


class TestCoverage:
    """Fields that pages say."""

    def test_counts(self) -> None:
        """Expect each field of each market once, and approximate points not to count."""
        placed = replace(MARKET, latitude=55.0, longitude=12.0)
        whole = added(coverage_of([MARKET]), coverage_of([placed]))
        assert (whole.listed, whole.fields["city"], whole.fields["position"], whole.fields["address"]) == (2, 2, 1, 0)
        assert whole.as_json()["listed"] == 2

    def test_fallen(self) -> None:
        """Expect a warning for a field that half of its markets do not say any more."""
        before = Coverage(20, {"address": 20, "city": 20, "entry_fee": 2})
        now = Coverage(20, {"address": 0, "city": 11, "entry_fee": 0})
        [warning] = coverage_warnings(now, before)
        assert warning.startswith("address: said of 0% of the markets, of 100% last time")
        assert coverage_warnings(now, None) == []
        assert coverage_warnings(Coverage(9, {}), before) == []
