"""A listed market with its address put in order and its place found: what core stores."""

from dataclasses import asdict
from typing import Final

from loppestars_core.crawls.sources import DEFAULT_RANK
from loppestars_core.kit.folding import fold
from loppestars_core.markets.sighting import SourceMarket
from loppestars_core.places.points import Point
from loppestars_crawler.addresses.normalising import PlaceWords, municipality_name
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.location import Verdict
from loppestars_crawler.geocoding.placing import place
from loppestars_crawler.items import ListedMarket
from loppestars_crawler.metrics import DOUBTS
from loppestars_crawler.pages import loppemarkeder_nu
from loppestars_crawler.reading.called_off import Status
from loppestars_crawler.sites import Site

_DENMARK: Final = frozenset(
    {"", "dk", "dnk", "danmark", "denmark", "danemark", "kingdom of denmark", "kongeriget danmark"}
)
_ELSEWHERE: Final = frozenset(
    {
        "venue",
        "address",
        "city",
        "postal_code",
        "municipality",
        "latitude",
        "longitude",
        "country",
        "entry_fee",
        "unclear",
    }
)


class OutsideDenmark(ValueError):
    """A market that its source or its place says is in another country."""


async def to_source_market(
    market: ListedMarket, site: Site, locator: Locator, *, rank: int = DEFAULT_RANK
) -> SourceMarket:
    """Return what is stored: address by the rules of `addresses`, point by those of `geocoding`, links as published.

    Raises:
        OutsideDenmark: it is in another country.
    """
    details = market.details
    if fold(details.country or "") not in _DENMARK:
        raise OutsideDenmark(f"a market outside Denmark: {details.country}")
    words = PlaceWords(
        details.address, details.city, details.postal_code, details.municipality, details.venue, market.name
    )
    given = None
    if details.latitude is not None and details.longitude is not None:
        given = Point(details.latitude, details.longitude)
    placed = await place(words, given, locator, source=market.source)
    address, location = placed.address, placed.location
    if location.verdict is Verdict.ABROAD:
        raise OutsideDenmark(f"a market outside Denmark: {location.reason}")
    if address.doubts:
        DOUBTS.labels(market.source).inc(len(address.doubts))
    said = {name: value for name, value in asdict(details).items() if name not in _ELSEWHERE}
    # What the answers of the API say of an event in addition to the columns.
    extra = {
        "id": market.external_id,
        "url": market.url,
        "venue": details.venue,
        "all_day": details.opening_hours is None,
    }
    return SourceMarket(
        source=market.source,
        external_id=market.external_id,
        rank=rank,
        name=market.name,
        category=market.category,
        start_date=market.start_date,
        end_date=market.end_date,
        cancelled=market.status is Status.CANCELLED,
        postponed=market.status is Status.POSTPONED,
        url=site.as_published(market.url),
        municipality=address.municipality or municipality_name(details.municipality),
        # A venue is how people find a place whose street nobody wrote down.
        address=address.street or details.venue,
        city=address.city,
        postal_code=address.postal_code,
        latitude=location.point.latitude if location.point else None,
        longitude=location.point.longitude if location.point else None,
        position_approximate=location.approximate,
        entry_fee=details.entry_fee,
        unclear=dict(details.unclear),
        source_fields=extra if market.source == loppemarkeder_nu.SOURCE else None,
        document={"said": market.document, "doubts": list(address.doubts), "place": placed.explained()},
        **said,
    )
