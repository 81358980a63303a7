"""One market as schema.org describes an event (JSON-LD), as search engines and other calendars read it. Pure."""

from datetime import date
from typing import Any, Final

import orjson

from loppestars_api.markets.exports.hours import Hours
from loppestars_api.markets.exports.words import FACILITIES, place
from loppestars_api.markets.schemas import Row
from loppestars_core.kit.clock import DENMARK
from loppestars_core.markets.models import MarketState

MEDIA_TYPE: Final = "application/ld+json"
_STATES: Final = {
    MarketState.CANCELLED.value: "EventCancelled",
    MarketState.POSTPONED.value: "EventPostponed",
}


def json_ld(row: Row, site: str) -> bytes:
    """Return the market as an Event; `site` is where its own page is. What is not known is left out."""
    starts, ends = _times(row)
    fee = row["entry_fee"]
    event = {
        "@context": "https://schema.org",
        "@type": "Event",
        "@id": f"{site}/markets/{row['id']}",
        "identifier": row["id"],
        "name": row["name"],
        "description": row["description"],
        "startDate": starts,
        "endDate": ends,
        "eventStatus": f"https://schema.org/{_STATES.get(row['state'], 'EventScheduled')}",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": _place(row),
        "organizer": _organiser(row),
        "offers": None if fee is None else {"@type": "Offer", "price": fee, "priceCurrency": "DKK", "name": "Entré"},
        "isAccessibleForFree": None if fee is None else fee == 0,
        "inLanguage": "da",
        "url": f"{site}/markets/{row['id']}",
        "sameAs": row["source_url"],
    }
    return orjson.dumps(_known(event))


def _times(row: Row) -> tuple[str, str]:
    """Return the days, or the moments where one day's hours are known."""
    first, last = row["start_date"], row["end_date"]
    hours = Hours.read(row["opening_hours"]) if first == last else None
    if hours is None:
        return first, last
    opens, closes = (moment.replace(tzinfo=DENMARK) for moment in hours.span(date.fromisoformat(first)))
    return opens.isoformat(), closes.isoformat()


def _place(row: Row) -> dict[str, Any]:
    position = {"@type": "GeoCoordinates", "latitude": row["latitude"], "longitude": row["longitude"]}
    features = [
        {"@type": "LocationFeatureSpecification", "name": name, "value": True}
        for flag, name in FACILITIES.items()
        if row[flag]
    ]
    address = {
        "@type": "PostalAddress",
        "streetAddress": row["address"],
        "postalCode": row["postal_code"],
        "addressLocality": row["city"] or row["municipality"],
        "addressCountry": "DK",
    }
    return _known(
        {
            "@type": "Place",
            "name": place(row) or "Danmark",
            "address": _known(address),
            "geo": None if row["latitude"] is None else position,
            "amenityFeature": features or None,
        }
    )


def _organiser(row: Row) -> dict[str, Any] | None:
    said = {
        "name": row["organizer_name"],
        "telephone": row["organizer_phone"],
        "email": row["organizer_email"],
        "url": row["organizer_website"],
    }
    known = _known(said)
    return {"@type": "Organization", **known} if known else None


def _known(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
