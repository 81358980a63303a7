"""Pages that say their events in JSON-LD (https://schema.org/Event), as site builders and plug-ins write them."""

import json
from datetime import date
from html import escape
from typing import Any, Final

from loppestars_local.sample_site.catalogue import SampleMarket, listed_on

LIST_PATH: Final = "/arrangementer"
_PER_PAGE: Final = 12
_CANCELLED: Final = 6
_FRAME: Final = """<!DOCTYPE html>
<html lang="da"><head><meta charset="utf-8"><title>{title}</title>{links}
<script type="application/ld+json">{document}</script></head>
<body><h1>{title}</h1></body></html>
"""


def list_page(page: int, today: date, markets: tuple[SampleMarket, ...] | None = None) -> str | None:
    """Return a page of the list, counted from 1: links, every third event in full; None beyond the last."""
    entries = _entries(today, markets)
    last = max(1, -(-len(entries) // _PER_PAGE))
    if not 1 <= page <= last:
        return None
    shown = entries[(page - 1) * _PER_PAGE : page * _PER_PAGE]
    items = [
        {"@type": "ListItem", "position": position, "item": _event(*entry)}
        if entry[0].number % 3 == 0
        else {"@type": "ListItem", "position": position, "url": _path(*entry[:2])}
        for position, entry in enumerate(shown, start=1)
    ]
    links = f'<link rel="next" href="{LIST_PATH}?page={page + 1}">' if page < last else ""
    return _page(
        "Arrangementer", {"@context": "https://schema.org", "@type": "ItemList", "itemListElement": items}, links
    )


def event_page(path: str, today: date, markets: tuple[SampleMarket, ...] | None = None) -> str | None:
    """Return the page of one event, or None for a path that has none."""
    for entry in _entries(today, markets):
        if _path(*entry[:2]) == path:
            site = {"@type": "WebSite", "name": "Torvet", "url": "/"}
            return _page(entry[0].name, {"@context": "https://schema.org", "@graph": [site, _event(*entry)]})
    return None


def _entries(today: date, markets: tuple[SampleMarket, ...] | None) -> list[tuple[SampleMarket, date, date]]:
    return [entry for entry in listed_on("l", today, markets) if entry[0].number % 2 == 0]


def _path(market: SampleMarket, start: date) -> str:
    return f"{LIST_PATH}/{market.slug}/{start.isoformat()}"


def _event(market: SampleMarket, start: date, end: date) -> dict[str, Any]:
    """Return an event with local times, with an offset, or with days alone."""
    match market.number % 3:
        case 0:
            moments = {"startDate": f"{start}T10:00:00", "endDate": f"{end}T16:00:00"}
        case 1:
            # Noon of Greenwich is never another day in Denmark.
            moments = {"startDate": f"{start}T09:30:00Z", "endDate": f"{end}T15:30:00Z"}
        case _:
            moments = {"startDate": f"{start}", "endDate": f"{end}"}
    place, point = market.place, market.point
    return {
        "@type": "SaleEvent" if market.number % 4 else ["Event", "Festival"],
        "@id": f"{_path(market, start)}#event",
        "name": market.name,
        **moments,
        "eventStatus": f"https://schema.org/{'EventCancelled' if market.number == _CANCELLED else 'EventScheduled'}",
        "url": _path(market, start),
        "location": {
            "@type": "Place",
            "name": f"Torvet i {place.town}",
            "address": {
                "@type": "PostalAddress",
                "streetAddress": market.street,
                "postalCode": place.postal_code,
                "addressLocality": place.town,
                "addressCountry": "DK",
            },
            "geo": {"@type": "GeoCoordinates", "latitude": f"{point.latitude}", "longitude": point.longitude},
        },
        "organizer": {"@type": "Organization", "name": f"Torvelauget, {place.town}", "url": "https://example.org/"},
        "offers": {"@type": "Offer", "price": 0 if market.number % 4 else "25,00", "priceCurrency": "DKK"},
    }


def _page(title: str, document: dict[str, Any], links: str = "") -> str:
    # Nothing in the script may end it.
    text = json.dumps(document, ensure_ascii=False, indent=1).replace("</", "<\\/")
    return _FRAME.format(title=escape(title, quote=False), document=text, links=links)
