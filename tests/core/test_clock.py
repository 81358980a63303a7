"""The calendar day of Denmark, whatever the machine's clock shows."""

from datetime import UTC, date, datetime, timedelta

import pytest

from loppestars_core.kit.clock import DENMARK, today_in_denmark


class TestClock:
    """The calendar day of Denmark, whatever the machine's clock shows."""

    @pytest.mark.parametrize(
        ("instant", "day"),
        [
            # Winter: an hour ahead of UTC.
            ("2026-01-31T22:59:59", date(2026, 1, 31)),
            ("2026-01-31T23:00:00", date(2026, 2, 1)),
            # Summer: two hours.
            ("2026-06-30T21:59:59", date(2026, 6, 30)),
            ("2026-06-30T22:00:00", date(2026, 7, 1)),
            # The nights on which the clocks change, from the evening before to the evening after.
            ("2026-03-28T22:59:59", date(2026, 3, 28)),
            ("2026-03-28T23:00:00", date(2026, 3, 29)),
            ("2026-03-29T21:59:59", date(2026, 3, 29)),
            ("2026-03-29T22:00:00", date(2026, 3, 30)),
            ("2026-10-24T22:00:00", date(2026, 10, 25)),
            ("2026-10-25T22:59:59", date(2026, 10, 25)),
            ("2026-10-25T23:00:00", date(2026, 10, 26)),
        ],
    )
    def test_the_day_turns_at_midnight_in_denmark(self, instant: str, day: date) -> None:
        """In winter, in summer, and on the nights of 23 and 25 hours."""
        assert today_in_denmark(datetime.fromisoformat(instant).replace(tzinfo=UTC)) == day

    def test_no_day_is_left_out_or_comes_twice(self) -> None:
        """Hour by hour through a year, from any time zone: each day once, in order."""
        start = datetime(2026, 1, 1, tzinfo=DENMARK).astimezone(UTC)
        days = [today_in_denmark(start + timedelta(hours=hour)) for hour in range(365 * 24)]
        assert days == sorted(days)
        assert list(dict.fromkeys(days)) == [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
