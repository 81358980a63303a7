"""Prices, phones, numbers, links, and bytes."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_crawler.reading.called_off import read_title
from loppestars_crawler.reading.days import NotADay, read_days
from loppestars_crawler.reading.encoding import decode_page
from loppestars_crawler.reading.links import read_email, read_link, read_website
from loppestars_crawler.reading.numbers import read_count, read_degrees
from loppestars_crawler.reading.phones import read_phone
from loppestars_crawler.reading.prices import Fee, read_fee, read_price
from loppestars_crawler.text import clean, decode_once, html_to_text, snippet

DANISH = "Loppemarked på Nørrebro \u2013 æøå ÆØÅ é, Kørestolsegnet, 20 kr."


class TestReadFee:
    """What a visitor pays."""

    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("20 kr.", 20),
            ("Entré 20,50 kr.", Decimal("20.50")),
            ("kr. 20,-", 20),
            ("DKK 30.00", 30),
            ("1.250 kr", 1250),
            ("20", 20),
            ("Gratis", 0),
            ("Fri entré", 0),
            ("Gratis adgang for alle", 0),
            ("Stadeleje 350 kr, fri entré", 0),
            ("Fri entré. Stade 350 kr.", 0),
            ("Voksne 50 kr, børn gratis", 50),
            ("Entré 30 kr - børn under 12 gratis", 30),
        ],
    )
    def test_amounts(self, text: str, amount: Decimal | int) -> None:
        """Expect the fee of an adult visitor."""
        assert read_fee(text) == Fee(Decimal(amount))

    @pytest.mark.parametrize("text", ["20-50 kr", "2 personer 50 kr", "€5", "50 SEK", "fra 20 kr", "Stadeleje 350 kr"])
    def test_doubts(self, text: str) -> None:
        """Expect no fee where the words leave it open, and the words."""
        assert read_fee(text) == (None, text)

    @pytest.mark.parametrize("text", [None, "", "Se hjemmesiden"])
    def test_silence(self, text: str | None) -> None:
        """Expect nothing of a text that says nothing of money."""
        assert read_fee(text) == (None, None)

    def test_currency_field(self) -> None:
        """Expect kroner only."""
        assert read_price("25,00", "DKK") == (Decimal(25), None)
        assert read_price("5", "EUR") == (None, "5 EUR")


class TestReadPhone:
    """Numbers of Denmark and its neighbours."""

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("tlf. 20 12 34 56", "+45 20 12 34 56"),
            ("20123456", "+45 20 12 34 56"),
            ("+45 2012 3456", "+45 20 12 34 56"),
            ("0045 20123456 (Hanne)", "+45 20 12 34 56"),
            ("+46 40 34 10 00", "+46 40 34 10 00"),
            ("se hjemmesiden", None),
            ("", None),
        ],
    )
    def test_texts(self, text: str, number: str | None) -> None:
        """Expect the international form."""
        assert read_phone(text) == number


class TestDecodePage:
    """Encodings that are declared wrongly."""

    @pytest.mark.parametrize("declared", ["utf-8", "iso-8859-1", "windows-1252", "us-ascii", "klingon", ""])
    @pytest.mark.parametrize("real", ["utf-8", "cp1252", "utf-8-sig", "utf-16"])
    def test_declared_and_real(self, declared: str, real: str) -> None:
        """Expect Danish letters whatever is declared."""
        content_type = f"text/html; charset={declared}" if declared else None
        assert decode_page(DANISH.encode(real), content_type) == DANISH

    def test_mixed(self) -> None:
        """Expect a page of two encodings to be read as both."""
        body = "Nørrebro ".encode() + "Ålborg".encode("latin-1")
        assert decode_page(body, "text/html; charset=utf-8") == "Nørrebro Ålborg"

    @given(st.binary(max_size=200), st.sampled_from(["utf-8", "latin-1", "utf-16", "shift_jis", "x"]))
    def test_any_bytes(self, body: bytes, declared: str) -> None:
        """Expect no replacement character that the page does not hold itself."""
        text = decode_page(body, f"text/html; charset={declared}")
        assert (
            "\ufffd" not in text
            or b"\xef\xbf\xbd" in body
            or declared == "utf-16"
            or body[:2] in {b"\xff\xfe", b"\xfe\xff"}
        )

    @given(st.text(alphabet=st.characters(codec="cp1252", exclude_categories=["Cc"]), max_size=100))
    def test_western_text(self, text: str) -> None:
        """Expect Windows-1252 that is declared UTF-8 to be read, unless it is UTF-8 by chance."""
        body = text.encode("cp1252")
        try:
            body.decode()
        except UnicodeDecodeError:
            assert "\ufffd" not in decode_page(body, "text/html; charset=utf-8")


class TestNoReplacement:
    """U+FFFD is never kept."""

    def test_texts(self) -> None:
        """Expect a text with unreadable letters to be unknown, and a snippet to show it plainly."""
        assert clean("K\ufffdbenhavn") is None
        assert "\ufffd" not in snippet("K\ufffdbenhavn")


class TestLinks:
    """E-mail and web addresses."""

    def test_addresses(self) -> None:
        """Expect the address without its surroundings."""
        assert read_email("skriv til: hanne.b+loppe@example.org.") == "hanne.b+loppe@example.org"
        assert read_website("www.example.org/x") == "https://www.example.org/x"
        assert read_website("javascript:alert(1)") is None
        assert read_link("https://a.example/b/", "../c#d") == "https://a.example/c"
        assert read_count("ca. 1.200 stader") == 1200
        assert read_degrees("55,7") == 55.7


class TestSpeed:
    """64 KB of the worst text: linear expressions only."""

    @pytest.mark.parametrize("text", ["a" * 65_536, "<" * 65_536, "<a" * 32_768, " -" * 32_768, "1." * 32_768])
    def test_worst_text(self, text: str) -> None:
        """Expect every reader to end: one that looks at each pair of letters would take many minutes."""
        for read in (
            clean,
            decode_once,
            html_to_text,
            snippet,
            read_title,
            read_fee,
            read_phone,
            read_email,
            read_count,
        ):
            read(text)
        with contextlib.suppress(NotADay):
            read_days(text)
