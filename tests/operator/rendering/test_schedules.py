"""The alert on crawls knows the schedule."""

import pytest

from loppestars_operator.rendering.schedules import overdue_hours


class TestOverdueHours:
    @pytest.mark.parametrize(
        ("schedule", "hours"),
        [
            ("0 2 * * *", 26),
            ("@daily", 26),
            ("15 1 * * *", 26),
            ("0 2 * * 0", 170),
            ("@weekly", 170),
            ("0 */6 * * *", 8),
            ("*/15 * * * *", 3),
            ("0 2 * * mon-fri", 74),
            ("0 2 1 * *", 746),
            ("0 2 1 * mon", 170),
        ],
    )
    def test_longest_gap(self, schedule: str, hours: int) -> None:
        """Between two runs, and two hours to run in."""
        assert overdue_hours(schedule) == hours

    @pytest.mark.parametrize("schedule", ["nonsense", "0 25 * * *", "0 2 30 2 *", "@every 1h"])
    def test_what_is_not_understood(self, schedule: str) -> None:
        """The API server judges the schedule; the alert falls back to a day."""
        assert overdue_hours(schedule) == 26
