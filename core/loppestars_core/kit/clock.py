"""Time: instants are aware and in UTC, calendar days are those of Denmark."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

DENMARK: Final = ZoneInfo("Europe/Copenhagen")


def now_utc() -> datetime:
    return datetime.now(UTC)


def today_in_denmark(now: datetime | None = None) -> date:
    """Return the calendar day in Europe/Copenhagen at `now` (an aware datetime; by default this instant)."""
    return (now or now_utc()).astimezone(DENMARK).date()
