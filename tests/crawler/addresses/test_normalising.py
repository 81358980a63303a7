"""Addresses: every rule by an example from the sites, and what must hold for any words at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_core.kit.folding import fold
from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import (
    Address,
    PlaceWords,
    is_abroad,
    municipality_name,
    normalise_address,
)

TABLE = danish_postal_codes()
HOLTE = "Holte stationsvej, Holte Midtpunkt, 2840 Holte"
FREDERIKSBERG = "Lykkesholms Allé 12, 1902 Frederiksberg C"

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


class TestNormaliseAddress:
    """Street, code and town brought in order."""

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (PlaceWords("Østergade 18, 4900 Nakskov"), "Østergade 18, 4900 Nakskov"),
            (PlaceWords("Axeltorv ved Tivoli, 1609 København V"), "Axeltorv ved Tivoli, 1609 København V"),
            (PlaceWords("Axeltorv ved Tivoli"), "Axeltorv ved Tivoli, 1609 København V"),
            (
                PlaceWords("Holte stationsvej, Holte Midtpunkt., Holte"),
                "Holte stationsvej, Holte Midtpunkt, 2840 Holte",
            ),
            (
                PlaceWords("Lykkesholms Allé 12 Danmark, 1902 Frederiksberg C"),
                "Lykkesholms Allé 12, 1902 Frederiksberg C",
            ),
            (PlaceWords("Vig Stationsvej 9, vig"), "Vig Stationsvej 9, 4560 Vig"),
            (PlaceWords("Nørregade 1 5000 Odense C Danmark"), "Nørregade 1, 5000 Odense C"),
            (PlaceWords("Vesterbrogade 3, DK-1630 København V, Denmark"), "Vesterbrogade 3, 1630 København V"),
            (PlaceWords("Danmarksgade 5, 7000 Fredericia"), "Danmarksgade 5, 7000 Fredericia"),
            (PlaceWords("Havnen 12 Skagen"), "Havnen 12, 9990 Skagen"),
            (PlaceWords("Gade 1", city="Kbh. N"), "Gade 1, 2200 København N"),
            (PlaceWords("Gade 1, Århus C"), "Gade 1, 8000 Aarhus C"),
            (PlaceWords("Ny Blegdamsvej", city="København Ø", postal_code="2100"), "Ny Blegdamsvej, 2100 København Ø"),
            (PlaceWords("Torvet", city="Denmark"), "Torvet"),
            (PlaceWords("Skovvej 2, Ulkebøl"), "Skovvej 2, Ulkebøl, 6400 Sønderborg"),
            (PlaceWords("Skovvej 2", city="Ulkebøl"), "Skovvej 2, Ulkebøl, 6400 Sønderborg"),
            (PlaceWords("Skovvej 2", city="Sønderbrog"), "Skovvej 2, 6400 Sønderborg"),
            (PlaceWords("Skovvej 2 6400"), "Skovvej 2, 6400 Sønderborg"),
            (PlaceWords(name="Glostruphallens loppemarked"), "2600 Glostrup"),
            (PlaceWords(name="Give videre", municipality="Odense"), ""),
            (PlaceWords("Roskilde Landevej 12"), "Roskilde Landevej 12"),
            (PlaceWords("Torvet", city="Viby", municipality="Roskilde"), "Torvet, 4130 Viby Sjælland"),
            (PlaceWords("Moesgård Allé 15", city="Aarhus", venue="Moesgaard"), "Moesgård Allé 15, 8270 Højbjerg"),
            (PlaceWords("Danmark"), ""),
            (PlaceWords("Torvet 1", postal_code="0999"), "Torvet 1"),
        ],
    )
    def test_order(self, words: PlaceWords, line: str) -> None:
        """Country, repetition and spelling go, postal code and town are completed from each other."""
        assert normalise_address(words).line == line

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
    def test_doubts(self, words: PlaceWords, doubt: str) -> None:
        """What was left out or decided is said, for the record of the crawl."""
        assert any(doubt in found for found in normalise_address(words).doubts)


class TestKey:
    """What two spellings of one address share."""

    @pytest.mark.parametrize(
        "texts",
        [
            ("Vig Stationsvej 9, vig", "VIG  STATIONSVEJ 9, 4560 Vig"),
            ("Industrivej 13 A, 7700 Thisted", "Industrivej 13A, 7700 Thisted", "Industrivej 13 a, Thisted"),
            ("Sct. Mathias Gade 1, Viborg", "Skt. Mathias Gade 1, Viborg", "Sankt Mathias Gade 1, 8800 Viborg"),
            ("Gl. Kongevej 5, 1610 København V", "Gammel Kongevej 5, 1610 København V"),
            ("Ndr. Ringgade 2, Slagelse", "Nordre Ringgade 2, 4200 Slagelse"),
            ("Gerritsgade 12, 5700 Svendborg", "c/o Jensen, Gerritsgade 12, 2. th, Svendborg"),
            ("Torvet 1, 5800 Nyborg", "Torvet 1, st.tv., 5800 Nyborg", "Torvet 1, 1. sal, Nyborg, Danmark"),
        ],
    )
    def test_two_spellings(self, texts: tuple[str, ...]) -> None:
        """Equal addresses share one cached geocode."""
        assert len({normalise_address(PlaceWords(text)).key for text in texts}) == 1

    def test_empty(self) -> None:
        """Nothing known is nothing to geocode."""
        assert Address(None, None, None).key == ""


class TestAnyWords:
    """What holds for any words at all."""

    @given(places)
    def test_code_and_town_agree(self, words: PlaceWords) -> None:
        """Whatever a source says, code and town are of the table and agree; nothing is raised."""
        address = normalise_address(words)
        assert address.postal_code is None or 1000 <= int(address.postal_code) <= 9990
        assert address.city is None or TABLE.town_named(address.city) == address.city
        if address.postal_code and address.city:
            assert TABLE.belongs(address.postal_code, address.city)

    @given(places)
    def test_again(self, words: PlaceWords) -> None:
        """Normalising is idempotent, so a second crawl finds the same key."""
        first = normalise_address(words)
        again = normalise_address(PlaceWords(first.street, first.city, first.postal_code))
        assert (again, again.key) == (first, first.key)

    @given(places)
    def test_no_country(self, words: PlaceWords) -> None:
        """The country is known: it is neither in the street line nor the town."""
        address = normalise_address(words)
        last = (fold(address.street or "").split() or [""])[-1]
        assert last not in {"danmark", "denmark"}

    @given(places)
    def test_case_and_spaces(self, words: PlaceWords) -> None:
        """Two people who write one address share its geocode."""
        address = normalise_address(words)
        spaced = PlaceWords(f"  {address.street or ''} ", f" {address.city or ''}", address.postal_code)
        assert normalise_address(spaced).key == address.key

    @given(places)
    def test_reasons(self, words: PlaceWords) -> None:
        """A postal code always has a reason."""
        address = normalise_address(words)
        assert address.postal_code is None or address.reasons


class TestPoint:
    """A point decides between places of one name and overrules no word."""

    def test_two_towns_of_one_name(self) -> None:
        """The nearer one."""
        words = PlaceWords("Torvet", city="Viby")
        assert normalise_address(words, Point(56.13, 10.16)).city == "Viby J"
        assert normalise_address(words, Point(55.55, 12.02)).city == "Viby Sjælland"
        assert normalise_address(words).city is None

    def test_a_town_far_away(self) -> None:
        """The words win."""
        assert normalise_address(PlaceWords(name="Ishøj Loppemarked"), Point(56.2, 9.5)).postal_code == "2635"


class TestIsAbroad:
    """Words that name another country."""

    def test_abroad(self) -> None:
        """A country or a town across the border."""
        assert is_abroad(PlaceWords("Stortorget 1", city="Malmö"))
        assert is_abroad(PlaceWords("Norderstraße 1, Flensburg, Tyskland"))

    def test_denmark(self) -> None:
        """Names that only resemble one."""
        assert not is_abroad(PlaceWords("Norgesgade 1, 2300 København S"))


class TestMunicipalityName:
    """The short form of the 98 municipalities."""

    @pytest.mark.parametrize(
        ("said", "name"),
        [
            ("Lolland Kommune", "Lolland"),
            ("Høje Taastrup", "Høje-Taastrup"),
            ("Århus Kommune", "Aarhus"),
            ("Bornholms Regionskommune", "Bornholm"),
            ("Somewhere kommune", "Somewhere"),
            ("", None),
        ],
    )
    def test_forms(self, said: str, name: str | None) -> None:
        """Known ones in their own spelling, others as they were said."""
        assert municipality_name(said) == name
