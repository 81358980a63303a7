"""Addresses: every rule by an example from the sites, and what must hold for any words at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_core.kit.folding import fold
from loppestars_core.places.points import Point, distance_km, why_not_in_denmark, why_not_near
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import Address, PlaceWords, normalise_address

TABLE = danish_postal_codes()
COPENHAGEN = Point(55.6761, 12.5683)

words_of_addresses = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from(sorted(TABLE.by_code)),
            st.sampled_from(sorted({row.town for row in TABLE.by_code.values()})),
            st.sampled_from(
                ["Danmark", "Denmark", "DK", ",", ".", "Torvet 1", "Østergade 18 B", "Hallen", "0999", "DK-"]
            ),
            st.text(alphabet="abcæøåÅ ,.0129-", max_size=8),
        ),
        max_size=8,
    ).map(" ".join),
)
places = st.builds(
    PlaceWords,
    address=words_of_addresses,
    city=words_of_addresses,
    postal_code=words_of_addresses,
    municipality=words_of_addresses,
    venue=words_of_addresses,
    name=words_of_addresses,
)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (PlaceWords("Østergade 18, 4900 Nakskov"), "Østergade 18, 4900 Nakskov"),
        (PlaceWords("Axeltorv ved Tivoli, 1609 København V"), "Axeltorv ved Tivoli, 1609 København V"),
        (PlaceWords("Axeltorv ved Tivoli"), "Axeltorv ved Tivoli"),
        (PlaceWords("Holte stationsvej, Holte Midtpunkt., Holte"), "Holte stationsvej, Holte Midtpunkt, 2840 Holte"),
        (PlaceWords("Lykkesholms Allé 12 Danmark, 1902 Frederiksberg C"), "Lykkesholms Allé 12, 1902 Frederiksberg C"),
        (PlaceWords("Vig Stationsvej 9, vig"), "Vig Stationsvej 9, 4560 Vig"),
        (PlaceWords("Nørregade 1 5000 Odense C Danmark"), "Nørregade 1, 5000 Odense C"),
        (PlaceWords("Vesterbrogade 3, DK-1630 København V, Denmark"), "Vesterbrogade 3, 1630 København V"),
        (PlaceWords("Danmarksgade 5, 7000 Fredericia"), "Danmarksgade 5, 7000 Fredericia"),
        (PlaceWords("Havnen 12 Skagen"), "Havnen 12, 9990 Skagen"),
        (PlaceWords("Gade 1", city="Kbh. N"), "Gade 1, 2200 København N"),
        (PlaceWords("Gade 1, Århus C"), "Gade 1, 8000 Aarhus C"),
        (PlaceWords("Ny Blegdamsvej", city="København Ø", postal_code="2100"), "Ny Blegdamsvej, 2100 København Ø"),
        (PlaceWords("Torvet", city="Denmark"), "Torvet"),
        (PlaceWords("Skovvej 2, Ulkebøl"), "Skovvej 2, Ulkebøl"),
        (PlaceWords("Danmark"), ""),
        (PlaceWords("Torvet 1", postal_code="0999"), "Torvet 1"),
    ],
)
def test_an_address_from_the_sites_is_put_in_order(words: PlaceWords, line: str) -> None:
    """Country, repetition and spelling go, postal code and town are completed from each other."""
    assert normalise_address(words).line == line


def test_two_spellings_share_one_key() -> None:
    """Equal addresses share one cached geocode."""
    keys = {
        normalise_address(PlaceWords(text)).key for text in ("Vig Stationsvej 9, vig", "VIG  STATIONSVEJ 9, 4560 Vig")
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("words", "doubt"),
    [
        (PlaceWords("Blegdamsvej 132", city="Remisen", venue="Remisen", postal_code="2100"), "name of the venue"),
        (PlaceWords("Torvet 1", city="Torvet 1"), "is a street"),
        (PlaceWords("Torvet 1", city="Atlantis"), "not in the postal-code table"),
        (PlaceWords("Torvet 1", postal_code="12345"), "does not exist"),
        (PlaceWords("Torvet 1", city="Lemvig", postal_code="4930"), "the code was believed"),
        (PlaceWords("Torvet 1", city="Maribo", postal_code="2100", municipality="Lolland Kommune"), "left out"),
    ],
)
def test_what_does_not_agree_is_named(words: PlaceWords, doubt: str) -> None:
    """What was left out or decided is said, for the record of the crawl."""
    assert any(doubt in found for found in normalise_address(words).doubts)


@given(places)
def test_any_words_give_an_address_of_the_table(words: PlaceWords) -> None:
    """Whatever a source says, code and town are of the table and agree; nothing is raised."""
    address = normalise_address(words)
    assert address.postal_code is None or 1000 <= int(address.postal_code) <= 9990
    assert address.city is None or TABLE.town_named(address.city) == address.city
    if address.postal_code and address.city:
        assert TABLE.belongs(address.postal_code, address.city)


@given(places)
def test_an_address_put_through_again_comes_out_the_same(words: PlaceWords) -> None:
    """Normalising is idempotent, so a second crawl finds the same key."""
    first = normalise_address(words)
    again = normalise_address(PlaceWords(first.street, first.city, first.postal_code))
    assert (again, again.key) == (first, first.key)


@given(places)
def test_no_address_ends_in_a_country(words: PlaceWords) -> None:
    """The country is known: it is neither in the street line nor the town."""
    address = normalise_address(words)
    last = (fold(address.street or "").split() or [""])[-1]
    assert last not in {"danmark", "denmark"}


@given(places)
def test_case_and_spaces_do_not_change_the_key(words: PlaceWords) -> None:
    """Two people who write one address share its geocode."""
    address = normalise_address(words)
    spaced = PlaceWords(f"  {address.street or ''} ", f" {address.city or ''}", address.postal_code)
    assert normalise_address(spaced).key == address.key


def test_the_table_is_whole() -> None:
    """More than a thousand codes, each with its centre in Denmark."""
    assert len(TABLE.by_code) > 1000
    assert all(why_not_in_denmark(row.centre) is None for row in TABLE.by_code.values())
    assert TABLE.by_code["4900"].town == "Nakskov"


def test_the_old_mistakes_are_rejected() -> None:
    """A Copenhagen square in Jutland and a nearby town on Funen: both are told by the distance."""
    centre = TABLE.by_code["1609"].centre
    assert distance_km(Point(56.4604, 9.4023), centre) > 200
    assert why_not_near(Point(56.4604, 9.4023), centre, "1609 København V") is not None
    assert why_not_near(COPENHAGEN, centre, "1609 København V") is None
    assert why_not_in_denmark(Point(48.85, 2.35)) is not None
    assert why_not_in_denmark(Point(float("nan"), 12.0)) is not None


def test_an_empty_address_has_no_key() -> None:
    """Nothing known is nothing to geocode."""
    assert Address(None, None, None).key == ""
