"""Decision records: one form, one number each, and an index that names them all."""

import re
from pathlib import Path
from typing import Final

import pytest

DECISIONS: Final = Path(__file__).resolve().parents[2] / "docs" / "decisions"
RECORDS: Final = sorted(DECISIONS.glob("[0-9]*.md"))
STATUS: Final = re.compile(r"Status: (accepted|superseded by \d{4})\.")


class TestRecords:
    """Every file of the folder."""

    @pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
    def test_form(self, record: Path) -> None:
        """A heading with the number of the file, then a status."""
        lines = record.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(f"# {record.name[:4]}: ")
        assert STATUS.fullmatch(lines[2])

    def test_numbers(self) -> None:
        """No number is given twice."""
        numbers = [record.name[:4] for record in RECORDS]
        assert len(numbers) == len(set(numbers))

    @pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
    def test_superseded(self, record: Path) -> None:
        """Whoever is superseded names a record that exists."""
        status = record.read_text(encoding="utf-8").splitlines()[2]
        for number in re.findall(r"\d{4}", status):
            assert list(DECISIONS.glob(f"{number}-*.md"))


class TestIndex:
    """docs/decisions/README.md."""

    @pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
    def test_row(self, record: Path) -> None:
        """Each record has a row with its number, title and status."""
        lines = record.read_text(encoding="utf-8").splitlines()
        title, status = lines[0].split(": ", 1)[1], lines[2].removeprefix("Status: ").rstrip(".")
        row = f"| [{record.name[:4]}]({record.name}) | {title} | {status} |"
        assert row in (DECISIONS / "README.md").read_text(encoding="utf-8")
