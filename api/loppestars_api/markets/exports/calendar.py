"""A calendar (iCalendar, RFC 5545) that phones subscribe to: one event per series, its exceptions as such. Pure.

Equal markets give equal bytes: the stamp of an event is when its market last changed, and never the time of asking.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from loppestars_api.markets.exports.content_lines import TIME_ZONE, escaped, instant, line, moments
from loppestars_api.markets.exports.hours import Hours
from loppestars_api.markets.exports.series import recurrence_of
from loppestars_api.markets.exports.words import CALLED_OFF, description, place
from loppestars_api.markets.schemas import Row

MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
_HEAD: Final = (
    ("BEGIN", "VCALENDAR"),
    ("VERSION", "2.0"),
    ("PRODID", "-//Loppestars//Markets//DA"),
    ("CALSCALE", "GREGORIAN"),
    ("METHOD", "PUBLISH"),
    ("NAME", "Loppestars"),
    ("X-WR-CALNAME", "Loppestars"),
    ("X-WR-TIMEZONE", "Europe/Copenhagen"),
    ("REFRESH-INTERVAL;VALUE=DURATION", "PT6H"),
    ("X-PUBLISHED-TTL", "PT6H"),
)


class _Shape(NamedTuple):
    """What all occurrences of one recurring event share: how many days, and when it is open on a single one."""

    days: int
    hours: Hours | None

    @classmethod
    def of(cls, row: Row) -> "_Shape":
        days = (_day(row["end_date"]) - _day(row["start_date"])).days + 1
        return cls(days, Hours.read(row["opening_hours"]) if days == 1 else None)

    @property
    def name(self) -> str:
        """The part of a UID by which the events of a series differ."""
        return f"{self.days}d" if self.hours is None else f"{self.hours.opens:%H%M}"

    def starts(self, day: date) -> date:
        """Return the start of the occurrence of that day: the day, or the moment where the hours are known."""
        return day if self.hours is None else self.hours.span(day)[0]

    def ends(self, day: date) -> date:
        """Return its end, exclusive as iCalendar has it."""
        return day + timedelta(days=self.days) if self.hours is None else self.hours.span(day)[1]


async def write_calendar(batches: AsyncIterator[list[Row]]) -> AsyncIterator[bytes]:
    """Yield a calendar of rows that come series by series, each by its days; one series is held at a time."""
    yield head()
    series: list[Row] = []
    async for batch in batches:
        series += batch
        # The last series may go on in the next batch.
        last = series[-1]["series_id"]
        begins = next(index for index, row in enumerate(series) if row["series_id"] == last)
        done, series = series[:begins], series[begins:]
        if done:
            yield "".join(events(done)).encode()
    yield ("".join(events(series)) + line("END", "VCALENDAR")).encode()


def head() -> bytes:
    """Return the beginning of every calendar."""
    return ("".join(line(name, value) for name, value in _HEAD) + TIME_ZONE).encode()


def events(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the events of rows that come series by series."""
    for series_id, occurrences in groupby(rows, key=itemgetter("series_id")):
        shapes: dict[_Shape, dict[date, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in occurrences:
            shapes[_Shape.of(row)][_day(row["start_date"])].append(row)
        for shape, by_day in shapes.items():
            yield from _recurring(f"{series_id}-{shape.name}", shape, {day: rows[0] for day, rows in by_day.items()})
            # Two markets of one name at one place and time are no series.
            for further in (row for rows in by_day.values() for row in rows[1:]):
                yield from _recurring(further["id"], shape, {_day(further["start_date"]): further})


def _recurring(uid: str, shape: _Shape, by_day: dict[date, Row]) -> Iterator[str]:
    """Yield one event for all days, and one for each day on which it is otherwise than usual."""
    days = sorted(by_day)
    texts = {day: _text(row) for day, row in by_day.items()}
    usual = max(texts.values(), key=list(texts.values()).count)
    model = next(row for day, row in by_day.items() if texts[day] == usual)
    recurrence = recurrence_of(days)
    yield _opening(uid, max(row["scraped_at"] for row in by_day.values()), shape, days[0])
    if recurrence.rule:
        yield line("RRULE", recurrence.rule)
    if recurrence.left_out:
        yield moments("EXDATE", *map(shape.starts, recurrence.left_out))
    if recurrence.further:
        yield moments("RDATE", *map(shape.starts, recurrence.further))
    yield from (usual, _link(model), line("END", "VEVENT"))
    for day in days:
        if texts[day] != usual:
            yield _opening(uid, by_day[day]["scraped_at"], shape, day)
            yield moments("RECURRENCE-ID", shape.starts(day))
            yield from (texts[day], _link(by_day[day]), line("END", "VEVENT"))


def _opening(uid: str, changed: datetime, shape: _Shape, day: date) -> str:
    return "".join(
        (
            line("BEGIN", "VEVENT"),
            line("UID", f"{uid}@loppestars"),
            instant("DTSTAMP", changed),
            instant("LAST-MODIFIED", changed),
            moments("DTSTART", shape.starts(day)),
            moments("DTEND", shape.ends(day)),
        )
    )


def _text(row: Row) -> str:
    """Return what an event says apart from its times and its link, which is another one for each day."""
    called_off = CALLED_OFF.get(row["state"])
    title = row["name"] if called_off is None else f"{called_off}: {row['name']}"
    lines = [
        line("SUMMARY", escaped(title)),
        line("STATUS", "CONFIRMED" if called_off is None else "CANCELLED"),
        line("TRANSP", "TRANSPARENT"),
        line("CATEGORIES", escaped(row["category"])),
    ]
    if where := place(row):
        lines.append(line("LOCATION", escaped(where)))
    if row["latitude"] is not None:
        lines.append(line("GEO", f"{row['latitude']:.6f};{row['longitude']:.6f}"))
    if said := description(row):
        lines.append(line("DESCRIPTION", escaped(said)))
    return "".join(lines)


def _link(row: Row) -> str:
    url = "".join((row["source_url"] or "").split())
    return line("URL", url) if url.startswith(("http://", "https://")) else ""


def _day(text: str) -> date:
    return date.fromisoformat(text)
