"""`loppestars-crawler geocode`: the answer for programs and the explanation for people."""

import json
from typing import Any

import pytest

from loppestars_crawler.cli import main

KEYS = ["postal_code", "city", "municipality", "latitude", "longitude", "approximate", "verdict", "reason"]


def geocode(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints."""
    main(["geocode", *arguments])
    return capsys.readouterr().out


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What it prints as JSON."""
    found: dict[str, Any] = json.loads(geocode(capsys, "--json", *arguments))
    assert list(found) == KEYS
    return found


class TestJson:
    """One object of eight keys, without a database."""

    def test_believed(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A point that agrees with the words."""
        found = answer(capsys, "--address", "Østergade 18, 4900 Nakskov", "--latitude", "54.83", "--longitude", "11.13")
        assert (found["postal_code"], found["city"], found["municipality"]) == ("4900", "Nakskov", "Lolland")
        assert (found["latitude"], found["approximate"], found["verdict"]) == (54.83, False, "believed")

    def test_contradiction(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A name in Copenhagen and a point in Jutland."""
        found = answer(
            capsys, "--name", "Københavns Loppetorv, Israles Plads", "--latitude", "55.967", "--longitude", "9.018"
        )
        assert (found["postal_code"], found["city"]) == ("1362", "København K")
        assert (found["approximate"], found["verdict"]) == (True, "postal_code_centre")
        assert "rejected" in found["reason"]

    def test_municipality(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing else known: its middle."""
        found = answer(capsys, "--municipality", "Faaborg-Midtfyn")
        assert (found["postal_code"], found["city"], found["municipality"]) == (None, None, "Faaborg-Midtfyn")
        assert found["verdict"] == "municipality_centre"
        assert 55.0 < found["latitude"] < 55.4

    def test_point_only(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The town whose middle is near."""
        found = answer(capsys, "--latitude", "54.831", "--longitude", "11.137")
        assert (found["city"], found["verdict"]) == ("Nakskov", "believed")

    def test_abroad(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Malmö has neither a point nor a town."""
        found = answer(capsys, "--city", "Malmö", "--latitude", "55.605", "--longitude", "13.0")
        assert (found["city"], found["latitude"], found["verdict"]) == (None, None, "abroad")


class TestExplanation:
    """Lines for a person."""

    def test_explained(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The address, the verdict and what decided it."""
        text = geocode(capsys, "Axeltorv ved Tivoli")
        assert "1609 København V" in text
        assert "approximate" in text
        assert "'Axeltorv ved Tivoli' in the address" in text

    @pytest.mark.parametrize("arguments", [("--latitude", "55.0"), ("Torvet 1", "--address", "Torvet 1")])
    def test_usage(self, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
        """Half a point, or two addresses: exit 2 and a sentence."""
        with pytest.raises(SystemExit) as ended:
            main(["geocode", *arguments])
        assert ended.value.code == 2
        assert capsys.readouterr().err
