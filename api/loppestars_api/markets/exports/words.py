"""What exports say of a market in words, in Danish as the markets themselves do."""

from typing import Final

from loppestars_api.markets.schemas import Row
from loppestars_core.markets.models import MarketState

CALLED_OFF: Final = {MarketState.CANCELLED.value: "Aflyst", MarketState.POSTPONED.value: "Udsat"}
FACILITIES: Final = {
    "has_food": "mad og drikke",
    "has_parking": "parkering",
    "has_toilets": "toiletter",
    "has_wifi": "wifi",
    "is_indoor": "indendørs",
    "is_outdoor": "udendørs",
}


def place(row: Row) -> str:
    """Return where a market is, in one line: street, postal code and town."""
    town = " ".join(filter(None, (row["postal_code"], row["city"] or row["municipality"])))
    address = row["address"] or ""
    return address if town and town in address else ", ".join(filter(None, (address, town)))


def entry(row: Row) -> str | None:
    """Return what a visitor pays; None where that is not known."""
    fee = row["entry_fee"]
    if fee is None:
        return None
    return f"{fee:g} kr." if fee else "gratis"


def description(row: Row) -> str:
    """Return all else that a visitor wants to know, a line each."""
    facilities = [word for flag, word in FACILITIES.items() if row[flag]]
    organiser = ", ".join(
        filter(None, (row["organizer_name"], row["organizer_phone"], row["organizer_email"], row["organizer_website"]))
    )
    labelled = {
        "Åbent": row["opening_hours"],
        "Entré": entry(row),
        "Boder": row["stall_count"],
        "Her er": ", ".join(facilities),
        "Arrangør": organiser,
    }
    lines = [f"{label}: {words}" for label, words in labelled.items() if words]
    return "\n\n".join(filter(None, ("\n".join(lines), row["description"], row["special_features"])))
