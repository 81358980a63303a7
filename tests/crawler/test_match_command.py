"""`loppestars-crawler match`: two files in, one judgement out."""

import json
from pathlib import Path
from typing import Any

import pytest

from loppestars_crawler.cli import main

DAYS = {"start_date": "2026-05-02", "end_date": "2026-05-02"}


def matched(folder: Path, capsys: pytest.CaptureFixture[str], one: dict[str, Any], other: dict[str, Any]) -> Any:
    """What the command says of two markets."""
    paths = []
    for name, market in (("a", one), ("b", other)):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(DAYS | market), encoding="utf-8")
        paths.append(str(path))
    main(["match", "--json", *paths])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["same", "score", "reasons"]
    assert found["reasons"]
    return found


class TestMatch:
    """The pairs that went wrong before."""

    def test_contradicting_streets(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Two troops of scouts in one town."""
        one = {"name": "Spejdernes Loppemarked", "address": "Vestergade 1", "postal_code": 8600}
        other = {"name": "Spejdernes Loppemarked", "address": "Resenbrovej 9", "postal_code": "8600"}
        assert not matched(tmp_path, capsys, one, other)["same"]

    def test_municipality(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The table knows the municipality of a code."""
        one = {"name": "Nakskov Loppemarked", "municipality": "Lolland"}
        other = {"name": "Nakskov Loppemarked", "postal_code": "4900", "city": "Nakskov"}
        assert matched(tmp_path, capsys, one, other)["same"]

    def test_one_hall(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Remisen has an entrance on two streets."""
        one = {"name": "Loppemarked i Remisen", "address": "Ny Blegdamsvej", "postal_code": "2100"}
        other = {"name": "Remisen Loppemarked", "venue": "Remisen", "address": "Blegdamsvej 132", "city": "Remisen"}
        assert matched(tmp_path, capsys, one, other)["same"]

    def test_rejected_point(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A wrong point does not keep one market apart."""
        one = {"name": "Københavns Loppetorv, Israels Plads", "latitude": 55.967, "longitude": 9.018}
        other = {"name": "Københavns Loppetorv", "venue": "Israels Plads", "city": "København K"}
        assert matched(tmp_path, capsys, one, other)["same"]

    def test_other_day(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The same market a week later is another occurrence."""
        one = {"name": "Loppemarked i Remisen"}
        assert not matched(tmp_path, capsys, one, one | {"start_date": "2026-05-09", "end_date": "2026-05-09"})["same"]


class TestUsage:
    """Files that cannot be read."""

    @pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', '{"name": "x", "start_date": "soon"}'])
    def test_not_a_market(self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 2 and what is wrong."""
        path = tmp_path / "a.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["match", str(path), str(path)])
        assert ended.value.code == 2
        assert "a.json" in capsys.readouterr().err

    def test_no_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 2 and which one."""
        with pytest.raises(SystemExit) as ended:
            main(["match", "/nowhere.json", "/nowhere.json"])
        assert ended.value.code == 2
        assert "/nowhere.json" in capsys.readouterr().err
