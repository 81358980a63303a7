"""What the moments at which an event starts and ends say of its days and opening hours."""

from datetime import date, datetime, time, timedelta

LONGEST_MARKET = timedelta(days=400)
"""An event that lasts longer is a mistake of its source."""
_WHOLE_DAY = (time(0, 0, 0), time(23, 59, 59))


def last_day(start: datetime, end: datetime) -> date:
    """Day on which a market ends; one that ends at midnight sharp ended the day before."""
    if end.time() == time(0) and end.date() > start.date():
        return end.date() - timedelta(days=1)
    return end.date()


def opening_hours(start: datetime, end: datetime, *, all_day: bool) -> str | None:
    """`10:00-16:00`, or None where the moments do not say when it is open."""
    hours = start.time(), end.time()
    if all_day or hours[0] == hours[1] or hours == _WHOLE_DAY:
        return None
    return f"{hours[0]:%H:%M}-{hours[1]:%H:%M}"
