"""The days of a recurring event, by https://schema.org/Schedule. Pure but for the day that it is given."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any, Final

from dateutil.rrule import DAILY, FR, MO, MONTHLY, SA, SU, TH, TU, WE, WEEKLY, YEARLY, rrule, weekday

from loppestars_crawler.items import Outcome
from loppestars_crawler.pages.json_ld import Node, as_list
from loppestars_crawler.pages.listing import NotUnderstood
from loppestars_crawler.reading.days import NotADay, read_moment

HORIZON: Final = timedelta(days=200)
"""How far ahead days of a schedule without an end are listed."""
MAX_OCCURRENCES: Final = 400
_FREQUENCIES: Final = {"D": DAILY, "W": WEEKLY, "M": MONTHLY, "Y": YEARLY}
_WORDS: Final = {"daily": "P1D", "weekly": "P1W", "monthly": "P1M", "yearly": "P1Y", "biweekly": "P2W"}
_DURATION: Final = re.compile(r"P(\d{1,3})([DWMY])$")
_DAYS: Final = {
    "monday": MO, "tuesday": TU, "wednesday": WE, "thursday": TH, "friday": FR, "saturday": SA, "sunday": SU,
    "mo": MO, "tu": TU, "we": WE, "th": TH, "fr": FR, "sa": SA, "su": SU,
}  # fmt: skip
_NTH_DAY: Final = re.compile(r"([+-]?\d)(mo|tu|we|th|fr|sa|su)$")


def scheduled(event: Node, today: date) -> list[Node]:
    """Return one event for each day of a schedule, or the event itself when it has none.

    Raises:
        NotUnderstood: the schedule does not say how often, or names a day that is none.
    """
    schedules = [item for item in as_list(event.get("eventSchedule")) if isinstance(item, dict)]
    if not schedules:
        return [event]
    occurrences = [occurrence for schedule in schedules for occurrence in _occurrences(event, schedule, today)]
    return occurrences[:MAX_OCCURRENCES]


def _occurrences(event: Node, schedule: Mapping[str, Any], today: date) -> list[Node]:
    try:
        first = _day(schedule.get("startDate")) or _day(event.get("startDate"))
        last = _day(schedule.get("endDate")) or _day(event.get("endDate")) or today + HORIZON
        left_out = {_day(day) for day in as_list(schedule.get("exceptDate"))}
        opens, closes = _time(schedule.get("startTime")), _time(schedule.get("endTime"))
        days = _days(schedule, first, today, last)
    except ValueError as error:
        raise NotUnderstood(Outcome.FAILED, f"a schedule (eventSchedule): {error}") from error
    said = {key: value for key, value in event.items() if key not in {"eventSchedule", "startDate", "endDate"}}
    return [
        {**said, "startDate": f"{day}{opens}", "endDate": f"{day}{closes or opens}"}
        for day in days
        if day not in left_out
    ]


def _days(schedule: Mapping[str, Any], first: date | None, today: date, last: date) -> list[date]:
    """Return the days of a schedule up to `last`, of a long one those since some months.

    Raises:
        NotADay: it does not say how often, or on which days.
    """
    said = str(schedule.get("repeatFrequency") or "P1W").strip()
    duration = _DURATION.match(_WORDS.get(said.casefold(), said))
    if duration is None or not int(duration[1]):
        raise NotADay(f"{said[:40]!r} is not a frequency")
    count = schedule.get("repeatCount")
    weekdays = [_weekday(day) for day in as_list(schedule.get("byDay"))]
    days_of_month = _numbers(schedule.get("byMonthDay"), 31)
    if first is None and (int(duration[1]) > 1 or not (weekdays or days_of_month)):
        raise NotADay("its days are left open")
    begins = first or today
    rule = rrule(
        _FREQUENCIES[duration[2]],
        dtstart=datetime.combine(begins, time()),
        interval=int(duration[1]),
        count=count if isinstance(count, int) and 0 < count <= MAX_OCCURRENCES else None,
        byweekday=weekdays or None,
        bymonthday=days_of_month,
        bymonth=_numbers(schedule.get("byMonth"), 12),
    )
    moments = rule.xafter(datetime.combine(max(begins, today - HORIZON), time()), inc=True)
    end = datetime.combine(last, time.max)
    return [moment.date() for moment in takewhile(lambda moment: moment <= end, islice(moments, MAX_OCCURRENCES))]


def _weekday(value: object) -> weekday:
    """Return the weekday of `https://schema.org/Saturday`, `Sa` or `1SA`.

    Raises:
        NotADay: it is not a weekday.
    """
    word = str(value).rsplit("/", 1)[-1].strip().casefold()
    if nth := _NTH_DAY.match(word):
        return _DAYS[nth[2]](int(nth[1]))
    if word not in _DAYS:
        raise NotADay(f"{word[:40]!r} is not a weekday")
    return _DAYS[word]


def _numbers(value: object, highest: int) -> list[int] | None:
    numbers = [int(item) for item in as_list(value) if str(item).isdecimal() and 0 < int(item) <= highest]
    return numbers or None


def _day(value: object) -> date | None:
    moment = read_moment(value) if isinstance(value, str) else None
    return moment.local.date() if moment else None


def _time(value: object) -> str:
    """Return the end of an ISO 8601 moment for a time of day such as `10:00`, empty for none."""
    text = str(value or "").strip()
    return f"T{time.fromisoformat(text.removeprefix('T'))}" if text else ""
