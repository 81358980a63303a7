"""Danish dates, ranges and moments."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_crawler.reading.days import DayRange, NotADay, days_of, opening_hours, read_days, read_moment

MONTHS = ["januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september", "oktober"]
MONTHS += ["november", "december"]
days = st.dates(date(2000, 1, 2), date(2098, 12, 30))


def ranges(*pairs: str) -> list[DayRange]:
    """Return ranges of texts such as `2026-12-05..2026-12-07`."""
    found = [pair.split("..") for pair in pairs]
    return [DayRange(date.fromisoformat(pair[0]), date.fromisoformat(pair[-1])) for pair in found]


class TestReadDays:
    """Words and numbers."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("05-12-2026", ranges("2026-12-05")),
            ("1/12/26", ranges("2026-12-01")),
            ("1. december 2026", ranges("2026-12-01")),
            ("lørdag d. 5. dec. 2026 kl. 10-16", ranges("2026-12-05")),
            ("den 5 maj 2026", ranges("2026-05-05")),
            ("2026-12-05", ranges("2026-12-05")),
            ("5.-7. december 2026", ranges("2026-12-05..2026-12-07")),
            ("5. - 7. december 2026", ranges("2026-12-05..2026-12-07")),
            ("30. november til 2. december 2026", ranges("2026-11-30..2026-12-02")),
            ("30. december - 2. januar 2027", ranges("2026-12-30..2027-01-02")),
            ("05-12-2026 til 07-12-2026", ranges("2026-12-05..2026-12-07")),
            ("05.12.2026 - 07.12.2026", ranges("2026-12-05..2026-12-07")),
            ("5/12-6/12 2026", ranges("2026-12-05..2026-12-06")),
            ("5. og 6. december 2026", ranges("2026-12-05..2026-12-06")),
            ("05-12-2026 12-12-2026 19-12-2026", ranges("2026-12-05", "2026-12-12", "2026-12-19")),
            ("5., 12. og 19. december 2026", ranges("2026-12-05", "2026-12-12", "2026-12-19")),
            ("hver lørdag kl. 10-14", []),
            ("tlf. 12 34 56 78", []),
            ("", []),
        ],
    )
    def test_texts(self, text: str, expected: list[DayRange]) -> None:
        """Expect the days that a Dane reads."""
        assert read_days(text) == expected

    def test_two_dates_of_a_table(self) -> None:
        """Expect two dates without a word between them to be start and end where the table means that."""
        assert read_days("01-12-2026 \n 05-12-2026", two_are_a_range=True) == ranges("2026-12-01..2026-12-05")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("31-02-2026", "not a day of the calendar"),
            ("01-12-1926", "not between"),
            ("5. decimber 2026", "not a month"),
            ("01-12-2026 til 01-06-2028", "longer than 400 days"),
        ],
    )
    def test_impossible_days(self, text: str, reason: str) -> None:
        """Expect the reason in words."""
        with pytest.raises(NotADay, match=reason):
            read_days(text)

    @given(days, st.sampled_from(["{0:%d-%m-%Y}", "{0.day}/{0.month}/{0.year}", "{0.day}. {1} {0.year}", "{0}"]))
    def test_any_day(self, day: date, form: str) -> None:
        """Expect every day in every form to be read back."""
        assert read_days(f"Lørdag {form.format(day, MONTHS[day.month - 1])} kl. 10") == [DayRange(day, day)]

    @given(days, st.integers(1, 300), st.sampled_from([" - ", "-", " til ", " \u2013 "]))
    def test_any_range(self, start: date, length: int, between: str) -> None:
        """Expect a range in the order in which it is written."""
        end = start + timedelta(days=length)
        if end.year > 2100:
            return
        assert read_days(f"{start:%d.%m.%Y}{between}{end:%d.%m.%Y}") == [DayRange(start, end)]

    @given(st.text(alphabet="0123456789./- dejoantilg", max_size=60))
    def test_any_text(self, text: str) -> None:
        """Expect days in order, or one kind of error."""
        try:
            found = read_days(text)
        except NotADay:
            return
        assert all(item.start <= item.end for item in found)


class TestDaysOf:
    """Moments."""

    @pytest.mark.parametrize(
        ("start", "end", "expected", "hours"),
        [
            ("2026-12-05T10:00", "2026-12-05T16:00", "2026-12-05", "10:00-16:00"),
            ("2026-12-05T20:00", "2026-12-06T02:00", "2026-12-05", "20:00-02:00"),
            ("2026-12-05T00:00", "2026-12-06T04:59", "2026-12-05", "00:00-04:59"),
            ("2026-12-05T00:00", "2026-12-06T00:00", "2026-12-05", None),
            ("2026-12-05T10:00", "2026-12-07T16:00", "2026-12-05..2026-12-07", "10:00-16:00"),
        ],
    )
    def test_days_and_hours(self, start: str, end: str, expected: str, hours: str | None) -> None:
        """Expect the night to belong to the day on which it began."""
        moments = datetime.fromisoformat(start), datetime.fromisoformat(end)
        assert [days_of(*moments)] == ranges(expected)
        assert opening_hours(*moments, all_day=False) == hours

    def test_too_long(self) -> None:
        """Expect more than 400 days to be refused."""
        with pytest.raises(NotADay, match="longer"):
            days_of(datetime(2026, 12, 1), datetime(2028, 6, 1))  # noqa: DTZ001 - local time


class TestReadMoment:
    """Instants in Danish time."""

    @pytest.mark.parametrize(
        ("text", "local", "whole_day"),
        [
            ("2026-12-01T10:00:00Z", "2026-12-01T11:00", False),
            ("2026-07-01T10:00:00Z", "2026-07-01T12:00", False),
            ("2026-12-01T23:30:00+00:00", "2026-12-02T00:30", False),
            ("2026-12-01T10:00", "2026-12-01T10:00", False),
            ("2026-12-01", "2026-12-01T00:00", True),
            ("1. december 2026", "2026-12-01T00:00", True),
        ],
    )
    def test_texts(self, text: str, local: str, whole_day: bool) -> None:  # noqa: FBT001 - a row of the table
        """Expect an instant in Europe/Copenhagen, with summer time."""
        assert read_moment(text) == (datetime.fromisoformat(local), whole_day)
