"""The days and opening hours of a market, from moments and from Danish words: one rule for every source."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import dateparser

from loppestars_core.kit.clock import DENMARK
from loppestars_crawler.text import clean

MIN_YEAR: Final = 2000
MAX_YEAR: Final = 2100
MAX_MARKET: Final = timedelta(days=400)
"""An event that lasts longer is a mistake of its source."""
_MAX_TEXT: Final = 2000
_MAX_DAYS_IN_TEXT: Final = 60
_END_OF_NIGHT: Final = time(6)
_WHOLE_DAY: Final = (time(0, 0, 0), time(23, 59, 59))
_LENGTH_OF_DATE: Final = len("2026-12-05")
_MONTH: Final = r"[^\W\d_]{3,10}\.?"
_DATE: Final = re.compile(
    r"(?<!\d)(?:"
    r"(?P<iso>\d{4}-\d{2}-\d{2})"
    r"|(?P<d>\d{1,2})\s?[-./]\s?(?P<m>\d{1,2})(?:\s?[-./]\s?|\s)(?P<y>\d{4}|\d{2})"
    rf"|(?P<wd>\d{{1,2}})\.?\s?(?P<wm>{_MONTH})\s?(?P<wy>\d{{4}})"
    # The first day of "5.-7. december 2026", "30. november - 2. december 2026", "5/12-6/12 2026".
    r"|(?P<pd>\d{1,2})\.?(?:\s?[/.]\s?(?P<pm>\d{1,2})\.?|\s(?P<pw>" + _MONTH + r"))?"
    r"(?=\s{0,3}(?:-|\u2013|\u2014|,|&|\+|og|til)\s{0,3}(?:d\.\s|den\s)?\d{1,2}\s?[./\s])"
    r")(?!\d)",
    re.IGNORECASE,
)
_RANGE: Final = re.compile(
    r"^\s*(?:-|\u2013|\u2014|til|to|t\.?o\.?m\.?)\s*(?:og med\s*)?(?:d\.|den)?\s*$", re.IGNORECASE
)


class NotADay(ValueError):
    """A date that no calendar has, or one outside 2000-2100."""


class DayRange(NamedTuple):
    """First and last day of a market."""

    start: date
    end: date


class _Found(NamedTuple):
    day: date
    start: int
    end: int


def days_of(start: datetime, end: datetime) -> DayRange:
    """Return the days of a market between two local moments; one that ends before 06:00 ended the day before.

    Raises:
        NotADay: it ends before it starts, or is longer than 400 days.
    """
    last = end.date()
    if last > start.date() and end.time() < _END_OF_NIGHT:
        last -= timedelta(days=1)
    if end < start:
        raise NotADay(f"an end ({end}) before its start ({start})")
    return checked(DayRange(start.date(), last))


def checked(days: DayRange) -> DayRange:
    """Return the days of a market when they can be right.

    Raises:
        NotADay: the last comes before the first, or the market is longer than 400 days.
    """
    if days.end < days.start:
        raise NotADay(f"an end ({days.end}) before its start ({days.start})")
    if days.end - days.start > MAX_MARKET:
        raise NotADay(f"from {days.start} to {days.end} is longer than {MAX_MARKET.days} days")
    return days


def opening_hours(start: datetime, end: datetime, *, all_day: bool) -> str | None:
    """Return `10:00-16:00`, or None where the moments do not say when it is open."""
    hours = start.time(), end.time()
    if all_day or hours[0] == hours[1] or hours == _WHOLE_DAY:
        return None
    return f"{hours[0]:%H:%M}-{hours[1]:%H:%M}"


class Moment(NamedTuple):
    """A moment in Danish local time; `whole_day` when only a day is said."""

    local: datetime
    whole_day: bool


def read_moment(text: str | None) -> Moment | None:
    """Return the moment of an ISO 8601 text or a Danish date, in Danish local time; None for no text.

    Raises:
        NotADay: it is neither, or outside 2000-2100.
    """
    words = clean(text, limit=100)
    if words is None:
        return None
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        days = read_days(words)
        if len(days) != 1 or days[0].start != days[0].end:
            raise NotADay(f"{words[:40]!r} is not a date") from None
        return Moment(datetime.combine(days[0].start, time()), whole_day=True)
    check_year(moment.year, words)
    if moment.tzinfo:
        moment = moment.astimezone(DENMARK).replace(tzinfo=None)
    return Moment(moment, whole_day=len(words) <= _LENGTH_OF_DATE)


def check_year(year: int, words: str) -> None:
    """Raise `NotADay` for a year outside 2000-2100."""
    if not MIN_YEAR <= year <= MAX_YEAR:
        raise NotADay(f"{words[:40]!r} is not between {MIN_YEAR} and {MAX_YEAR}")


def read_days(text: str, *, two_are_a_range: bool = False) -> list[DayRange]:
    """Return the days that a text names, in order: single ones, ranges, and neighbours joined to ranges.

    `two_are_a_range`: two dates without a word between them are the first and the last day.

    Raises:
        NotADay: one of them is not a day of the calendar, or lies outside 2000-2100.
    """
    words = text[:_MAX_TEXT]
    found = list(_dates(words))[:_MAX_DAYS_IN_TEXT]
    if two_are_a_range and len(found) == 2:  # noqa: PLR2004 - first and last day
        return [checked(DayRange(found[0].day, found[1].day))]
    days: list[DayRange] = []
    for index, item in enumerate(found):
        between = words[found[index - 1].end : item.start] if index else ""
        joined = days and (_RANGE.match(between) or item.day == days[-1].end + timedelta(days=1))
        if joined and days[-1].start <= item.day:
            days[-1] = checked(DayRange(days[-1].start, item.day))
        elif not days or item.day != days[-1].end:
            days.append(DayRange(item.day, item.day))
    return days


def _dates(text: str) -> Iterator[_Found]:
    """Yield the dates of a text; days that leave month or year to the next date take them from it."""
    partial: list[re.Match[str]] = []
    for match in _DATE.finditer(text):
        if match["pd"]:
            partial.append(match)
            continue
        day = _day(match)
        for earlier in partial:
            yield _Found(_day(earlier, day), earlier.start(), earlier.end())
        partial.clear()
        yield _Found(day, match.start(), match.end())


def _day(match: re.Match[str], following: date | None = None) -> date:
    """Return the day that is written; month and year that it leaves out are those of the day that follows it."""
    if match["iso"]:
        year, month, day = (int(part) for part in match["iso"].split("-"))
    elif match["d"]:
        # Two digits are a year of this century.
        year = int(match["y"]) + (2000 if len(match["y"]) <= 2 else 0)  # noqa: PLR2004 - see above
        month, day = int(match["m"]), int(match["d"])
    elif following is None:
        year, month, day = int(match["wy"]), _month(match["wm"]), int(match["wd"])
    else:
        month = int(match["pm"] or 0) or (_month(match["pw"]) if match["pw"] else following.month)
        # "30. december - 2. januar 2027" begins in the year before.
        year, day = following.year - (month > following.month), int(match["pd"])
    check_year(year, match[0].strip())
    try:
        return date(year, month, day)
    except ValueError as error:
        raise NotADay(f"{match[0].strip()} is not a day of the calendar") from error


@lru_cache(maxsize=256)
def _month(word: str) -> int:
    """Return the number of a Danish or English month.

    Raises:
        NotADay: the word is not a month.
    """
    found = dateparser.parse(
        f"1 {word.rstrip('.')} 2024",
        languages=["da", "en"],
        settings={"DATE_ORDER": "DMY", "REQUIRE_PARTS": ["day", "month", "year"]},
    )
    if found is None or (found.day, found.year) != (1, 2024):
        raise NotADay(f"{word!r} is not a month")
    return int(found.month)
