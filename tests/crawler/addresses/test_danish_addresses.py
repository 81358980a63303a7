"""How many of the labelled Danish addresses are understood, of the half that was tuned on and of the half held back.

`python -m tests.crawler.addresses.test_danish_addresses` prints both figures and what was wrong.
"""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import Address, PlaceWords
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.placing import place
from loppestars_crawler.geocoding.provider import NoCache

LABELLED = Path(__file__).with_name("danish_addresses.tsv")
FRESH = Path(__file__).with_name("danish_addresses_fresh.tsv")
DIFFICULT = Path(__file__).with_name("danish_addresses_difficult.tsv")
UNKNOWN = "-"


@dataclass(frozen=True)
class Labelled:
    """One row: the expected code and town, and the fields of a source."""

    code: str
    town: str
    fields: dict[str, str]

    def placed(self) -> Address:
        """The address that the fields give."""
        words = {name: text for name, text in self.fields.items() if name not in {"latitude", "longitude"}}
        given = None
        if "latitude" in self.fields:
            given = Point(float(self.fields["latitude"]), float(self.fields["longitude"]))
        return asyncio.run(place(PlaceWords(**words), given, Locator(NoCache()), source="test")).address

    def is_right(self, address: Address) -> bool:
        """The code where one is expected and given, else the town, undivided where no district is known."""
        if self.code != UNKNOWN and address.postal_code is not None:
            return address.postal_code == self.code
        towns = {self.town} if self.code == UNKNOWN else {self.town, danish_postal_codes().large_town_of(self.code)}
        return (address.city or UNKNOWN) in towns


def read_labelled(path: Path = LABELLED) -> list[Labelled]:
    """All rows of a file, in order."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            expected, *fields = line.split("\t")
            code, town = expected.split(" ", 1)
            rows.append(Labelled(code, town, dict(field.split("=", 1) for field in fields)))
    return rows


class TestLabelledAddresses:
    """Town or postal code right for at least 95 in 100, separately for each half."""

    def test_tuned_half(self) -> None:
        """Rows with an odd number."""
        rows = read_labelled()[0::2]
        assert sum(row.is_right(row.placed()) for row in rows) >= 0.95 * len(rows)

    def test_held_half(self) -> None:
        """Rows with an even number, on which nothing was tuned."""
        rows = read_labelled()[1::2]
        assert len(rows) * 2 >= 150
        assert sum(row.is_right(row.placed()) for row in rows) >= 0.95 * len(rows)

    def test_fresh(self) -> None:
        """Forms that were written after the code."""
        rows = read_labelled(FRESH)
        assert sum(row.is_right(row.placed()) for row in rows) >= 0.95 * len(rows)

    def test_difficult(self) -> None:
        """Halls, harbours, islands and floors that were written without a look at the code."""
        rows = read_labelled(DIFFICULT)
        assert sum(row.is_right(row.placed()) for row in rows) >= 0.95 * len(rows)


def report() -> None:
    """Print the share that is right, and each row that is not."""
    rows = read_labelled()
    later = (("fresh", read_labelled(FRESH)), ("difficult", read_labelled(DIFFICULT)))
    for half, of_half in (("tuned", rows[0::2]), ("held", rows[1::2]), *later):
        wrong = [(row, row.placed()) for row in of_half if not row.is_right(row.placed())]
        sys.stdout.write(f"{half}: {len(of_half) - len(wrong)} of {len(of_half)} right\n")
        sys.stdout.writelines(f"  {row.code} {row.town}: {row.fields} gave {got.line!r}\n" for row, got in wrong)


if __name__ == "__main__":
    report()
