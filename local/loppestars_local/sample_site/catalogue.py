"""The markets of the sample site on a given day. Pure: the same day gives the same markets.

Dates follow the calendar and not the day of asking: tomorrow's site is today's, moved on by one day, as real ones are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

HORIZON: Final = timedelta(days=62)
"""How far ahead the site lists markets."""
_WEEK: Final = timedelta(days=7)


class Point(NamedTuple):
    """Latitude and longitude in degrees."""

    latitude: float
    longitude: float


class Place(NamedTuple):
    """A real town, and the middle of its postal code."""

    postal_code: str
    town: str
    municipality: str
    centre: Point


@dataclass(frozen=True, slots=True)
class SampleMarket:
    """A market that comes back; `name` is HTML."""

    number: int
    name: str
    street: str
    place: Place
    sites: str
    rule: str
    features: frozenset[str]

    @property
    def slug(self) -> str:
        return f"{self.number:03d}-{self.place.postal_code}"

    @property
    def point(self) -> Point:
        """The market's place, some hundred metres from the middle of its postal code."""
        east, north = self.number % 7 - 3, self.number % 5 - 2
        centre = self.place.centre
        return Point(round(centre.latitude + north * 0.0021, 5), round(centre.longitude + east * 0.0034, 5))

    def occurrences(self, today: date) -> list[tuple[date, date]]:
        """Return its dates that are running or begin within the horizon, first to last day."""
        days = [(start, end) for start, end in _recurrence(self.rule, self.number, today) if end >= today]
        return [dates for dates in days if dates[0] <= today + HORIZON]


def _recurrence(rule: str, number: int, today: date) -> Iterator[tuple[date, date]]:
    kind, *numbers = rule.split(":")
    monday = today - timedelta(days=today.weekday())
    if kind == "thisweek":
        for week in range(9):
            yield monday + week * _WEEK, monday + week * _WEEK + timedelta(days=6)
    elif kind == "month":
        first = today.replace(day=1)
        for _ in range(3):
            following = (first + timedelta(days=32)).replace(day=1)
            yield first, following - timedelta(days=1)
            first = following
    else:
        every, weekday, length = ([7, int(numbers[0]), 1] if kind == "week" else [*map(int, numbers), 1])[:3]
        # Periods are counted from one Monday, shifted by the market's number so that not all fall into one week.
        epoch = date(2024, 1, 1) + timedelta(days=weekday) + (number % (every // 7)) * _WEEK
        start = epoch + ((today - epoch).days // every) * timedelta(days=every)
        while start <= today + HORIZON:
            yield start, start + timedelta(days=length - 1)
            start += timedelta(days=every)


@cache
def sample_markets() -> tuple[SampleMarket, ...]:
    """Return all markets of the sample, as the package's data file lists them."""
    text = files("loppestars_local.sample_site").joinpath("markets.tsv").read_text(encoding="utf-8")
    markets: list[SampleMarket] = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, street, code, town, municipality, latitude, longitude, sites, rule, features = line.split("\t")
        place = Place(code, town, municipality, Point(float(latitude), float(longitude)))
        markets.append(
            SampleMarket(len(markets), name, street, place, sites, rule, frozenset(filter(None, features.split(",")))),
        )
    return tuple(markets)


def listed_on(
    site: str,
    today: date,
    markets: tuple[SampleMarket, ...] | None = None,
) -> list[tuple[SampleMarket, date, date]]:
    """Return the occurrences that one site (`m` or `l`) lists on a day, by their start; of all markets or of some."""
    entries = [
        (market, start, end)
        for market in (sample_markets() if markets is None else markets)
        if market.sites in {site, "b"}
        for start, end in market.occurrences(today)
    ]
    return sorted(entries, key=lambda entry: (entry[1], entry[0].number))
