"""Markets in files."""

import csv
import json
from datetime import date
from pathlib import Path

from loppestars_core.markets.sighting import SourceMarket
from loppestars_crawler.crawl.found import write_found

DAY = date(2026, 12, 5)
MARKET = SourceMarket(
    source="a", external_id="1", name="=1+1", category="Loppemarked", start_date=DAY, end_date=DAY, city="Odense"
)


class TestWriteFound:
    """JSON and CSV."""

    def test_json(self, tmp_path: Path) -> None:
        """Expect the words of the source."""
        write_found([MARKET], tmp_path / "m.json")
        assert json.loads((tmp_path / "m.json").read_text())[0]["city"] == "Odense"

    def test_csv(self, tmp_path: Path) -> None:
        """Expect a row per market, with formulas defused."""
        write_found([MARKET], tmp_path / "m.csv")
        with (tmp_path / "m.csv").open(newline="") as file:
            [row] = csv.DictReader(file)
        assert (row["name"], row["start_date"]) == ("'=1+1", "2026-12-05")

    def test_unwritable(self, tmp_path: Path) -> None:
        """Expect a folder that is not there not to fail the crawl."""
        write_found([MARKET], tmp_path / "no" / "m.csv")
        write_found(None, tmp_path / "m.csv")
        assert not (tmp_path / "m.csv").exists()
