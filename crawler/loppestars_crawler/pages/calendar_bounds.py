"""Rules of recurrence that no market has: by the second, or more occurrences than a calendar can hold."""

from math import prod
from typing import Any, Final

from icalendar import Calendar, Component

MAX_OCCURRENCES: Final = 100_000
"""Occurrences of all rules of a calendar, about, that are worked out."""
# Upper bounds within the horizon, for each value of the rule's BY… parts.
_OF_FREQUENCY: Final = {"DAILY": 400, "WEEKLY": 60, "MONTHLY": 70, "YEARLY": 110}


def take_unbounded(calendar: Calendar) -> list[tuple[Component, str]]:
    """Remove the events whose occurrences cannot be listed; return each with the reason."""
    left, refused = MAX_OCCURRENCES, []
    for event in calendar.walk("VEVENT"):
        count = _occurrences(event)
        if count is None:
            refused.append((event, "an event that recurs more often than daily"))
        elif count > left:
            refused.append((event, f"more than {MAX_OCCURRENCES:,} occurrences in one calendar"))
        else:
            left -= count
    unbounded = {id(event) for event, _ in refused}
    calendar.subcomponents = [part for part in calendar.subcomponents if id(part) not in unbounded]
    return refused


def _occurrences(event: Component) -> int | None:
    """Return about how many occurrences an event has at most; None where its rule is not one of days."""
    count = 1 + sum(len(dates.dts) for dates in _each(event.get("RDATE")))
    for rule in _each(event.get("RRULE")):
        parts = {str(name).upper(): _each(values) for name, values in rule.items()}
        of_frequency = _OF_FREQUENCY.get(str((parts.get("FREQ") or [""])[0]).upper())
        intervals = [value for value in parts.get("INTERVAL", []) if isinstance(value, int)]
        if of_frequency is None or any(interval < 1 for interval in intervals):
            return None
        count += of_frequency * prod(len(values) for name, values in parts.items() if name.startswith("BY"))
    return count


def _each(value: Any) -> list[Any]:  # noqa: ANN401 - icalendar leaves the list out where there is one value
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
