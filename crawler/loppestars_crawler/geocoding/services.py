"""The geocoding services: Nominatim through geopy, Geoapify and Datafordeleren's GSearch on geopy's own machinery."""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from geopy.extra.rate_limiter import RateLimiter
from geopy.geocoders import Nominatim
from geopy.geocoders.base import Geocoder

from loppestars_core.places.points import Point
from loppestars_core.places.spelling import without_floor
from loppestars_crawler.addresses.normalising import Address
from loppestars_crawler.geocoding.provider import Found, GeocodingProvider

PUBLIC_URLS: Final = {
    "datafordeleren": "https://api.dataforsyningen.dk/rest/gsearch/v2.0",
    "geoapify": "https://api.geoapify.com",
    "nominatim": "https://nominatim.openstreetmap.org",
}
NEED_A_KEY: Final = frozenset({"datafordeleren", "geoapify"})
_TIMEOUT_SECONDS: Final = 10
# Nominatim's usage policy allows one request per second; the others are paid per request, not per second.
_SECONDS_BETWEEN: Final = {"nominatim": 1.0, "geoapify": 0.2, "datafordeleren": 0.1}


class Service:
    """A provider that asks one service over HTTP, never faster than the service allows."""

    def __init__(self, name: str, ask: Callable[[Address], Found | None], seconds_between: float) -> None:
        """`ask` blocks; it is called in a thread, one call at a time."""
        self.name = name
        self._ask = RateLimiter(ask, min_delay_seconds=seconds_between, max_retries=0, swallow_exceptions=False)

    async def find(self, address: Address) -> Found | None:
        """Return the service's point of an address."""
        found: Found | None = await asyncio.to_thread(self._ask, address)
        return found


class _JsonService(Geocoder):  # type: ignore[misc]  # geopy has no types
    """A JSON endpoint that geopy does not know."""

    def __init__(self, url: str, user_agent: str) -> None:
        super().__init__(scheme=urlsplit(url).scheme, timeout=_TIMEOUT_SECONDS, user_agent=user_agent)
        self.url = url.rstrip("/")

    def get(self, path: str, parameters: dict[str, Any], headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON answer to a GET; raises geopy's exceptions."""
        return self._call_geocoder(f"{self.url}{path}?{urlencode(parameters)}", lambda answer: answer, headers=headers)


def open_service(name: str, *, key: str | None, url: str | None, user_agent: str) -> GeocodingProvider | None:
    """Return the provider of a name, None for "none"; `url` is a copy of the service, the public one by default.

    Raises:
        ValueError: the provider needs a key and there is none.
    """
    if name == "none":
        return None
    if name in NEED_A_KEY and not key:
        raise ValueError(f"geocoding by {name} needs GEOCODING_API_KEY")
    asked = {"nominatim": _nominatim, "geoapify": _geoapify, "datafordeleren": _datafordeleren}[name]
    return Service(name, asked(url or PUBLIC_URLS[name], key or "", user_agent), 0 if url else _SECONDS_BETWEEN[name])


def _nominatim(url: str, _: str, user_agent: str) -> Callable[[Address], Found | None]:
    parts = urlsplit(url)
    geocoder = Nominatim(
        domain=parts.netloc + parts.path.rstrip("/"),
        scheme=parts.scheme,
        user_agent=user_agent,
        timeout=_TIMEOUT_SECONDS,
    )

    def ask(address: Address) -> Found | None:
        query = {"street": without_floor(address.street or ""), "country": "Denmark"}
        query |= {"postalcode": address.postal_code} if address.postal_code else {"city": address.city or ""}
        found = geocoder.geocode(query, country_codes="dk", exactly_one=True)
        if found is None:
            return None
        return Found(Point(found.latitude, found.longitude), found.raw.get("importance"))

    return ask


def _geoapify(url: str, key: str, user_agent: str) -> Callable[[Address], Found | None]:
    service = _JsonService(url, user_agent)

    def ask(address: Address) -> Found | None:
        answer = service.get(
            "/v1/geocode/search",
            {"text": _one_line(address), "filter": "countrycode:dk", "format": "json", "limit": 1, "apiKey": key},
        )
        results = answer.get("results") or []
        if not results:
            return None
        confidence = (results[0].get("rank") or {}).get("confidence")
        return Found(Point(float(results[0]["lat"]), float(results[0]["lon"])), confidence)

    return ask


def _datafordeleren(url: str, key: str, user_agent: str) -> Callable[[Address], Found | None]:
    service = _JsonService(url, user_agent)

    def ask(address: Address) -> Found | None:
        answer = service.get("/husnummer", {"q": _one_line(address), "limit": 1, "srid": 4326}, headers={"token": key})
        if not answer:
            return None
        # The first position of a GeoJSON geometry: GSearch answers with points and multipoints.
        position: Any = answer[0]["geometri"]["coordinates"]
        while isinstance(position[0], list):
            position = position[0]
        return Found(Point(float(position[1]), float(position[0])))

    return ask


def _one_line(address: Address) -> str:
    town = " ".join(part for part in (address.postal_code, address.city) if part)
    return ", ".join(part for part in (without_floor(address.street or ""), town) if part)
