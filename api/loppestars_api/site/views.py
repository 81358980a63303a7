"""What the templates show of a market: words and numbers, ready to print. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from loppestars_api.markets.schemas import Row
from loppestars_api.site.denmark import on_map
from loppestars_api.site.texts import days_text, month_text
from loppestars_api.web.pages import Language
from loppestars_core.markets.fields import FLAGS

_KRONER: Final = "kr."


@dataclass(frozen=True, slots=True)
class Card:
    """A market in a list and on the map."""

    id: str
    name: str
    days: str
    day: date
    """Its first day, or today while it is running."""
    month: str
    town: str
    hours: str | None
    distance: str | None
    free: bool
    spot: tuple[float, float] | None

    @classmethod
    def of(cls, language: Language, row: Row, today: date) -> Self:
        """Return what a list shows of a row."""
        first, last = date.fromisoformat(row["start_date"]), date.fromisoformat(row["end_date"])
        distance, day = row["distance"], max(first, min(today, last))
        return cls(
            id=row["id"],
            name=row["name"],
            days=days_text(language, first, last),
            day=day,
            month=month_text(language, day),
            town=" ".join(filter(None, (row["postal_code"], row["city"] or row["municipality"]))),
            hours=row["opening_hours"],
            distance=None if distance is None else _kilometres(language, distance),
            free=row["entry_fee"] == 0,
            spot=on_map(row["latitude"], row["longitude"]),
        )


def cards(language: Language, rows: Iterable[Row], today: date) -> list[Card]:
    """Return what a list shows."""
    return [Card.of(language, row, today) for row in rows]


def facts(row: Row, card: Card, words: Mapping[str, str]) -> dict[str, str]:
    """Return what is known of a market, by its label."""
    fee = row["entry_fee"]
    known = {
        "dates": card.days,
        "hours": row["opening_hours"],
        "where": ", ".join(filter(None, (row["address"], card.town))),
        "entry": None if fee is None else f"{fee:g} {_KRONER}" if fee else words["free"],
        "stalls": row["stall_count"],
        "here": ", ".join(words[flag] for flag in FLAGS if row[flag]),
        "organiser": ", ".join(filter(None, (row["organizer_name"], row["organizer_phone"], row["organizer_email"]))),
    }
    return {words[label]: str(value) for label, value in known.items() if value}


def safe_link(url: str | None) -> str | None:
    """Return a link of a source if it leads to a site: a page must not run what a source says."""
    return url if url and url.startswith(("https://", "http://")) else None


def _kilometres(language: Language, distance: float) -> str:
    text = f"{distance:.1f}" if distance < 10 else f"{distance:.0f}"  # noqa: PLR2004 - one figure is enough beyond
    return f"{text.replace('.', ',') if language == 'da' else text} km"
