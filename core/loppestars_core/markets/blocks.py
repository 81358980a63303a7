"""Blocks: what two listings must share before they are compared. Pure.

Listings that share no block cannot be one market without an admin's word: comparing them is time lost. A block is the
first day with a postal code, a spot, a hall; or, in a town or municipality, with a house number, the first letter of a
telling word of a name (words in another form, or with a typing error, keep it), or a whole word where only places are
named.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from loppestars_core.kit.folding import fold
from loppestars_core.markets.listing import Listing, place_words
from loppestars_core.markets.names import read_name
from loppestars_core.markets.streets import house_of, landmarks_of
from loppestars_core.places.postal_codes import danish_postal_codes

_CELL_LATITUDE: Final = 0.005
_CELL_LONGITUDE: Final = 0.01
"""Sides of a cell, both longer than the distance within which two points are one spot."""
_MAX_NUMBERS: Final = 20
_SIGNED: Final = 2**31


def blocks_of(listing: Listing) -> list[int]:
    """Return the blocks of a listing as 32-bit numbers, as they are stored."""
    day = listing.start_date.isoformat()
    return sorted({zlib.crc32(f"{day} {block}".encode()) - _SIGNED for block in _blocks(listing)})


def _blocks(listing: Listing) -> Iterator[str]:
    if listing.postal_code:
        yield listing.postal_code
    if listing.point is not None:
        # Two points of one spot lie in one cell or in neighbours, which share a corner.
        row, column = listing.point.latitude // _CELL_LATITUDE, listing.point.longitude // _CELL_LONGITUDE
        yield from (f"{row + down:.0f}/{column + right:.0f}" for down in (0, 1) for right in (0, 1))
    yield from (f"@{landmark}" for landmark in landmarks_of(listing))
    if listing.venue:
        yield f"@{fold(listing.venue)}"
    words = read_name(listing.name).words
    telling = words - place_words(listing)
    house = house_of(listing.address or "")
    numbers = range(house[1], min(house[2], house[1] + _MAX_NUMBERS) + 1) if house else ()
    for place in _places(listing.city, listing.postal_code, listing.municipality):
        yield from (f"{place}:{letter}" for letter in {word[0] for word in telling})
        yield from (f"{place}={word}" for word in telling or words)
        yield from (f"{place}#{number}" for number in numbers)


@lru_cache(maxsize=20_000)
def _places(city: str | None, postal_code: str | None, municipality: str | None) -> frozenset[str]:
    """Return the names of towns and municipalities that another listing of the same market would say, folded."""
    table = danish_postal_codes()
    row = table.get(postal_code)
    places = {city, municipality}
    if row is not None:
        places |= {row.town, row.municipality, table.large_town_of(row.code)}
    return frozenset(fold(place) for place in places if place)
