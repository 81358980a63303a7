"""JSON as loppemarkeder.nu serves it: The Events Calendar's REST interface, with its many spellings of one thing."""

from datetime import date
from typing import Any, Final

from loppestars_local.sample_site.catalogue import SampleMarket, listed_on

SITE: Final = "https://loppemarkeder.nu"
API_PATH: Final = "/wp-json/tribe/events/v1/events"
MAX_PER_PAGE: Final = 100
_FIRST_ID: Final = 85354
_LATER_IDS: Final = 10_000_000
_DAYS_IN_IDS: Final = 4096


def events_page(
    page: int,
    per_page: int,
    today: date,
    markets: tuple[SampleMarket, ...] | None = None,
) -> dict[str, Any] | None:
    """Return a page of events, counted from 1, or None beyond the last."""
    events = [_event(*entry) for entry in listed_on("l", today, markets)]
    events.append(_hidden_event(today))
    size = max(1, min(per_page, MAX_PER_PAGE))
    pages = -(-len(events) // size)
    if not 1 <= page <= pages:
        return None
    answer: dict[str, Any] = {
        "events": events[(page - 1) * size : page * size],
        "rest_url": f"{SITE}{API_PATH}/?page={page}&per_page={size}",
        "total": len(events),
        "total_pages": pages,
    }
    if page < pages:
        answer["next_rest_url"] = f"{SITE}{API_PATH}/?page={page + 1}&per_page={size}"
    return answer


def _event(market: SampleMarket, start: date, end: date) -> dict[str, Any]:
    number = market.number
    all_day = number % 6 == 0
    opens, closes = ("00:00:00", "23:59:59") if all_day else (f"{8 + number % 3:02d}:00:00", "16:00:00")
    # WordPress writes dashes and ampersands as numbers.
    title = market.name.replace("&amp;", "&#038;")
    about = f"<p>Velkommen til {title} &#8211; over {20 + number} stader.</p>\n<p>Vi ses!<br />Udvalget</p>"
    return {
        "id": (_LATER_IDS if number else _FIRST_ID) + number * _DAYS_IN_IDS + start.toordinal() % _DAYS_IN_IDS,
        "global_id": f"loppemarkeder.nu?id={number}",
        "author": "1",
        "status": "publish",
        "url": f"{SITE}/loppemarked/{market.slug}/{start.isoformat()}/",
        "title": {"rendered": title} if number % 5 == 0 else title,
        "description": {"rendered": about} if number % 5 == 0 else about,
        "excerpt": "",
        "slug": market.slug,
        "image": False,
        "all_day": all_day,
        "start_date": f"{start.isoformat()} {opens}",
        "end_date": f"{end.isoformat()} {closes}",
        "timezone": "Europe/Copenhagen",
        "timezone_abbr": "CET",
        "cost": "" if number % 3 == 1 else ("Gratis" if number % 3 else "25 kr."),
        "cost_details": {"currency_symbol": "kr", "values": ["15"] if number % 3 == 1 else []},
        "website": "",
        "show_map": True,
        "hide_from_listings": False,
        "categories": [{"id": 3, "name": "Loppemarked", "slug": "loppemarked"}] if number % 4 else [],
        "tags": [],
        "venue": _venue(market),
        "organizer": _organizer(market),
    }


def _venue(market: SampleMarket) -> Any:  # noqa: ANN401 - the site itself cannot decide on a type
    """Return a venue as an object, as a list, without coordinates, or with the words in the wrong fields."""
    place, point = market.place, market.point
    venue: dict[str, Any] = {
        "id": 500 + market.number,
        "venue": f"{market.name.split()[0]} Plads",
        "address": market.street,
        "city": place.town,
        "zip": place.postal_code,
        "region": place.municipality,
        "country": "Denmark",
        "geo_lat": point.latitude,
        "geo_lng": point.longitude,
    }
    match market.number % 8:
        case 1:  # a list, numbers as text
            return [{**venue, "geo_lat": str(point.latitude), "geo_lng": str(point.longitude)}]
        case 2:  # everything in the address, the venue's name as the city, no coordinates
            del venue["zip"], venue["geo_lat"], venue["geo_lng"]
            return {
                **venue,
                "address": f"{market.street}, {place.postal_code} {place.town}, Danmark",
                "city": venue["venue"],
            }
        case 4:  # other names of the fields
            del venue["zip"], venue["geo_lat"], venue["geo_lng"]
            return {**venue, "postal_code": place.postal_code, "latitude": point.latitude, "longitude": point.longitude}
        case 6:  # a point in Jutland for a square somewhere else
            return {**venue, "geo_lat": 56.4604, "geo_lng": 9.4023}
        case _:
            return venue


def _organizer(market: SampleMarket) -> Any:  # noqa: ANN401 - as above
    organizer = {
        "organizer": f"Markedsudvalget, {market.place.town}",
        "phone": "",
        "email": f"marked{market.number}@example.org",
        "website": f"https://example.org/{market.slug}",
    }
    return [organizer] if market.number % 2 else organizer


def _hidden_event(today: date) -> dict[str, Any]:
    """Return an event that its site keeps out of lists, without a venue."""
    return {
        "id": 10_003_629,
        "status": "publish",
        "title": "Skjult pr&oslash;vemarked",
        "start_date": f"{today.isoformat()} 10:00:00",
        "end_date": f"{today.isoformat()} 12:00:00",
        "hide_from_listings": True,
        "venue": [],
        "organizer": [],
    }
