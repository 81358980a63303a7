"""Which days of a market come back by a rule, and which do not. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

_WEEK: Final = 7
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MIN_RULE: Final = 3
"""Two days are no rule."""
_MAX_NTH: Final = 4
"""Not every month has a fifth Sunday."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How the days of a series follow from its first one.

    Attributes:
        rule: an RRULE, None where no rule fits.
        left_out: days that the rule has and the series has not.
        further: days after the first, where there is no rule.
    """

    rule: str | None = None
    left_out: tuple[date, ...] = ()
    further: tuple[date, ...] = ()


def recurrence_of(days: Sequence[date]) -> Recurrence:
    """Return how `days`, ascending and each once, recur: by weeks or as a weekday of each month.

    A rule may leave out at most half as many days as there are, else the days are listed.
    """
    if len(days) >= _MIN_RULE:
        for rule, ruled in (_weeks(days), _months(days)):
            held = set(ruled)
            left_out = tuple(sorted(held.difference(days)))
            if held.issuperset(days) and len(left_out) * 2 <= len(days):
                return Recurrence(f"{rule};COUNT={len(held)}", left_out)
    return Recurrence(further=tuple(days[1:]))


def _weeks(days: Sequence[date]) -> tuple[str, Iterable[date]]:
    every = range((days[-1] - days[0]).days + 1)
    step = math.gcd(*((later - earlier).days for earlier, later in pairwise(days)))
    if step % _WEEK == 0:
        ruled = (days[0] + timedelta(days=count) for count in every[::step])
        return f"FREQ=WEEKLY;INTERVAL={step // _WEEK};BYDAY={_WEEKDAYS[days[0].weekday()]}", ruled
    weekdays = sorted({day.weekday() for day in days})
    ruled = (day for count in every if (day := days[0] + timedelta(days=count)).weekday() in weekdays)
    return f"FREQ=WEEKLY;BYDAY={','.join(_WEEKDAYS[weekday] for weekday in weekdays)}", ruled


def _months(days: Sequence[date]) -> tuple[str, Iterable[date]]:
    nth, weekday = _nth(days[0]), days[0].weekday()
    if nth > _MAX_NTH or any((_nth(day), day.weekday()) != (nth, weekday) for day in days):
        return "", ()
    return f"FREQ=MONTHLY;BYDAY={nth}{_WEEKDAYS[weekday]}", _nth_weekdays(days[0], days[-1])


def _nth(day: date) -> int:
    return (day.day - 1) // _WEEK + 1


def _nth_weekdays(first: date, last: date) -> Iterator[date]:
    """Yield the days of each month that are the same weekday of it as `first`, up to `last`."""
    day = first
    while day <= last:
        yield day
        later = day + timedelta(weeks=4)
        day = later if _nth(later) == _nth(day) else later + timedelta(weeks=1)
