"""Opening hours as calendars need them: read where sources write one interval, else not at all."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple, Self

_TIME: Final = r"(?:kl\.?\s*)?(\d{1,2})(?:[:.](\d{2}))?"
_INTERVAL: Final = re.compile(rf"{_TIME}\s*(?:-|\u2013|\u2014|til|to)\s*{_TIME}", re.IGNORECASE)
_HOURS_OF_A_DAY: Final = 24


class Hours(NamedTuple):
    """When a market opens, and after how long it closes."""

    opens: time
    length: timedelta

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Read `10:00-16:00`, `kl. 10-16` or `20.00 til 02.00`; None for anything else, as two intervals."""
        found = _INTERVAL.fullmatch((text or "").strip())
        if found is None:
            return None
        hour, minute, last_hour, last_minute = (int(number or 0) for number in found.groups())
        if hour >= _HOURS_OF_A_DAY or last_hour > _HOURS_OF_A_DAY or max(minute, last_minute) > 59:  # noqa: PLR2004 - minutes
            return None
        minutes = (last_hour - hour) * 60 + last_minute - minute
        # A market that closes before it opens closes on the next morning.
        return cls(time(hour, minute), timedelta(minutes=minutes if minutes > 0 else minutes + 24 * 60))

    def span(self, day: date) -> tuple[datetime, datetime]:
        """Return when a market of that day opens and closes, in Danish local time."""
        opens = datetime.combine(day, self.opens)
        return opens, opens + self.length
