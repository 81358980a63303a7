"""Blocks: no pair that the matcher would join is kept from it, and few others reach it."""

from dataclasses import replace

from loppestars_core.markets.blocks import blocks_of
from loppestars_core.markets.listing import Listing
from tests.core.markets.test_market_pairs import DAY, read_pairs

HOLTE = Listing(name="Loppemarked i Holte", start_date=DAY, end_date=DAY, city="Holte")


def share(one: Listing, other: Listing) -> bool:
    """Whether two listings would be compared."""
    return bool(set(blocks_of(one)) & set(blocks_of(other)))


class TestBlocksOf:
    """What two listings share."""

    def test_every_pair_that_is_joined_shares_one(self) -> None:
        """Of all labelled pairs, none that the matcher joins is lost."""
        lost = [pair for pair in read_pairs() if pair.judged().same and not share(pair.one, pair.other)]
        assert lost == []

    def test_only_places_are_named(self) -> None:
        """The town in the name of one is the town of the other."""
        assert share(HOLTE, replace(HOLTE, name="Holte loppemarked", postal_code="2840"))

    def test_strangers_share_none(self) -> None:
        """Another town, another day, or another letter in a large town."""
        spejderne = replace(HOLTE, name="Spejdernes loppemarked", city="København Ø", postal_code="2100")
        assert not share(spejderne, replace(spejderne, postal_code="8000", city="Aarhus C"))
        assert not share(spejderne, replace(spejderne, start_date=DAY.replace(day=3)))
        assert not share(spejderne, replace(spejderne, name="Havnens loppemarked", postal_code="1050", city=None))
        assert share(spejderne, replace(spejderne, name="Spejderloppemarked", postal_code="1050", city=None))

    def test_they_fit_their_column(self) -> None:
        """Each is a signed number of 32 bits."""
        assert all(-(2**31) <= block < 2**31 for block in blocks_of(HOLTE))
