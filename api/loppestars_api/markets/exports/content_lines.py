"""The lines of RFC 5545 (iCalendar): escaped, folded, and the times of Denmark."""

import re
from datetime import UTC, date, datetime
from typing import Final

MAX_OCTETS: Final = 75
_NOT_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\ufffe\uffff]")
_NEWLINE: Final = re.compile(r"\r\n?|\n")
_TIME_ZONE: Final = "Europe/Copenhagen"

# The rule of the European Union since 1996: the last Sundays of March and October, at one o'clock UTC.
TIME_ZONE: Final = f"""\
BEGIN:VTIMEZONE
TZID:{_TIME_ZONE}
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19960331T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
""".replace("\n", "\r\n")


def line(name: str, value: str) -> str:
    """Return a content line, folded so that no line of it has more than 75 octets and no character is cut."""
    whole = f"{name}:{value}"
    if whole.isascii() and len(whole) <= MAX_OCTETS:
        return f"{whole}\r\n"
    parts, octets = [""], 0
    for character in whole:
        size = len(character.encode())
        if octets + size > MAX_OCTETS:
            parts.append(" ")
            octets = 1
        parts[-1] += character
        octets += size
    return "\r\n".join(parts) + "\r\n"


def escaped(text: str) -> str:
    """Return text as a value of type TEXT: one line, without what would end or separate values."""
    text = _NOT_TEXT.sub("", _NEWLINE.sub("\n", text.encode("utf-8", "ignore").decode()))
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def moments(name: str, *values: date) -> str:
    """Return a line of days, or of local times in Denmark (`datetime` without a zone)."""
    if isinstance(values[0], datetime):
        return line(f"{name};TZID={_TIME_ZONE}", ",".join(f"{value:%Y%m%dT%H%M%S}" for value in values))
    return line(f"{name};VALUE=DATE", ",".join(f"{value:%Y%m%d}" for value in values))


def instant(name: str, value: datetime) -> str:
    """Return a line of an instant in UTC."""
    return line(name, f"{value.astimezone(UTC):%Y%m%dT%H%M%SZ}")
