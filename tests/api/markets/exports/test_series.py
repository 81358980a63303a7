"""Which days recur by a rule, against an implementation of rules that is not ours."""

from datetime import date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from loppestars_api.markets.exports.hours import Hours
from loppestars_api.markets.exports.series import Recurrence, recurrence_of

SUNDAY = date(2026, 12, 6)


def days_of(first: date, recurrence: Recurrence) -> list[date]:
    """The days that a calendar makes of it."""
    if recurrence.rule is None:
        return [first, *recurrence.further]
    start = datetime.combine(first, datetime.min.time())
    ruled = [moment.date() for moment in rrulestr(recurrence.rule, dtstart=start)]
    return [day for day in ruled if day not in recurrence.left_out]


class TestRecurrence:
    @given(st.sets(st.integers(0, 400), min_size=1, max_size=40))
    def test_any_days_come_back_as_they_were(self, offsets: set[int]) -> None:
        """Whatever rule is found, with what it leaves out it makes exactly those days."""
        days = sorted(SUNDAY + timedelta(days=offset) for offset in offsets)
        assert days_of(days[0], recurrence_of(days)) == days

    @pytest.mark.parametrize(
        ("days", "rule"),
        [
            ([SUNDAY + timedelta(weeks=week) for week in range(5)], "FREQ=WEEKLY;INTERVAL=1;BYDAY=SU;COUNT=5"),
            ([SUNDAY + timedelta(weeks=2 * week) for week in range(5)], "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;COUNT=5"),
            ([SUNDAY + timedelta(days=days) for days in (-1, 0, 6, 7)], "FREQ=WEEKLY;BYDAY=SA,SU;COUNT=4"),
            (
                [date(2026, 12, 6), date(2027, 1, 3), date(2027, 2, 7), date(2027, 3, 7)],
                "FREQ=MONTHLY;BYDAY=1SU;COUNT=4",
            ),
            ([SUNDAY, SUNDAY + timedelta(weeks=1)], None),
            ([SUNDAY, SUNDAY + timedelta(days=11), SUNDAY + timedelta(days=100)], None),
        ],
    )
    def test_rules_are_found_where_there_are_some(self, days: list[date], rule: str | None) -> None:
        """Weekly, every other week, weekends, the first Sunday of a month; not for two days, nor for odd ones."""
        assert recurrence_of(days).rule == rule


class TestHours:
    @pytest.mark.parametrize(
        ("text", "span"),
        [
            ("10:00-16:00", "10:00 16:00"),
            ("kl. 9 - 15.30", "09:00 15:30"),
            ("10 til 16", "10:00 16:00"),
            ("20:00\u201302:00", "20:00 02:00"),
            ("10-24", "10:00 00:00"),
            ("lørdag 10-16, søndag 10-14", None),
            ("25-26", None),
            ("10:75-11", None),
            ("", None),
            (None, None),
        ],
    )
    def test_one_interval_is_read(self, text: str | None, span: str | None) -> None:
        """However it is written; what is not one interval is left to people."""
        hours = Hours.read(text)
        found = None if hours is None else " ".join(f"{moment:%H:%M}" for moment in hours.span(SUNDAY))
        assert found == span
