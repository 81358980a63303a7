"""How far apart two runs of a cron schedule can be."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final

GRACE_HOURS: Final = 2
DEFAULT_HOURS: Final = 26
MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES: Final = {
    **{name: str(number) for number, name in enumerate(_MONTHS, 1)},
    **{name: str(number) for number, name in enumerate(_WEEKDAYS)},
}
# A year and a leap day's distance: every weekday and month occurs.
_START: Final = date(2027, 1, 1)
_DAYS: Final = 800


@lru_cache(maxsize=256)
def overdue_hours(schedule: str) -> int:
    """Return the hours after which a run is overdue: the longest gap between two, and some to run in."""
    try:
        gap = longest_gap(MACROS.get(schedule, schedule))
    except ValueError:
        return DEFAULT_HOURS  # the API server judges the schedule; the alert must not fail because of it
    return -(-int(gap.total_seconds()) // 3600) + GRACE_HOURS


def longest_gap(schedule: str) -> timedelta:
    """Return the longest time between two runs.

    Raises:
        ValueError: not a cron expression of five fields, or one that never runs.
    """
    minutes, hours, days, months, weekdays = schedule.split()
    times = [time(hour, minute) for hour in sorted(_values(hours, 0, 23)) for minute in sorted(_values(minutes, 0, 59))]
    month_days, year_months = _values(days, 1, 31), _values(months, 1, 12)
    week_days = {number % 7 for number in _values(weekdays, 0, 7)}
    inner = max((_after(later) - _after(earlier) for earlier, later in pairwise(times)), default=timedelta(0))
    gap, last = timedelta(0), None
    for offset in range(_DAYS):
        day = _START + timedelta(days=offset)
        in_month, in_week = day.day in month_days, day.isoweekday() % 7 in week_days
        # Cron's rule: where both are restricted, either suffices.
        both = days.startswith("*") or weekdays.startswith("*")
        if day.month not in year_months or not (in_month and in_week if both else in_month or in_week):
            continue
        first = datetime.combine(day, times[0])
        gap = max(gap, inner, first - last if last else timedelta(0))
        last = datetime.combine(day, times[-1])
    if not gap:
        raise ValueError(f"{schedule!r} never runs twice in two years")
    return gap


def _after(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute)


def _values(field: str, low: int, high: int) -> set[int]:
    return {value for part in field.lower().split(",") for value in _range(part, low, high)}


def _range(part: str, low: int, high: int) -> Iterator[int]:
    span, _, step = part.partition("/")
    if span in {"*", "?"}:
        begin, end = low, high
    else:
        first, _, last = span.partition("-")
        begin = int(_NAMES.get(first, first))
        end = int(_NAMES.get(last, last)) if last else (high if step else begin)
    if not low <= begin <= end <= high:
        raise ValueError(f"{part!r} is not within {low}-{high}")
    yield from range(begin, end + 1, int(step or 1))
