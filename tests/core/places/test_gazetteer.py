"""Names of places and where they are found in texts."""

import pytest

from loppestars_core.places.gazetteer import danish_places
from loppestars_core.places.postal_codes import danish_postal_codes

PLACES = danish_places()


class TestData:
    """The file of the package."""

    def test_codes_exist(self) -> None:
        """Every name means at least one code, and the code to assume is one of them."""
        table = danish_postal_codes()
        for name in PLACES.names:
            for place in PLACES.named(name):
                assert place.codes, name
                assert place.codes <= table.by_code.keys(), name
                assert place.assumed is None or place.assumed in place.codes, name


class TestMentions:
    """Names within a text."""

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("Københavns Loppetorv, Israels Plads", ["Københavns", "Israels Plads"]),
            ("Gentoftehallen", ["Gentoftehallen"]),
            ("Kalundborgskolens loppemarked", ["Kalundborgskolens"]),
            ("Spejdernes Loppemarked Gl. Holte", ["Gl. Holte"]),
            ("Gammel Køge Landevej 12", ["Gammel Køge Landevej"]),
            ("Ringsted Landevej 3", []),
            ("Fyns største loppemarked", ["Fyns"]),
        ],
    )
    def test_found(self, text: str, names: list[str]) -> None:
        """Genitives, halls, the longest of several, and no road that leads to a town."""
        assert [mention.text for mention in PLACES.mentions(text)] == names

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Loppemarked i Ringe", True),
            ("Ringe Hallen", True),
            ("Ringe", True),
            ("En ringe pris", False),
        ],
    )
    def test_words_of_the_language(self, text: str, expected: bool) -> None:  # noqa: FBT001 - a parameter
        """They count where a place is to be expected."""
        assert [mention.expected for mention in PLACES.mentions(text)] == [expected]


class TestNearlyNamed:
    """One typing error."""

    @pytest.mark.parametrize(("text", "town"), [("roskile", "Roskilde"), ("Silkeborrg", "Silkeborg"), ("Rye", None)])
    def test_typing_error(self, text: str, town: str | None) -> None:
        """Forgiven in longer names only."""
        assert PLACES.nearly_named(text) == town
