"""Precision and recall of matching on labelled pairs: of the half that was tuned on, and of the half held back.

`python -m tests.core.markets.test_market_pairs` prints both and the pairs that were judged wrongly.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loppestars_core.markets.listing import Listing
from loppestars_core.markets.matching import Match, compare
from loppestars_core.places.points import Point

LABELLED = Path(__file__).with_name("market_pairs.tsv")
FRESH = Path(__file__).with_name("market_pairs_fresh.tsv")
DAY = date(2026, 5, 2)


@dataclass(frozen=True)
class Pair:
    """Two listings, and whether a person says that they are one occurrence."""

    same: bool
    one: Listing
    other: Listing

    def judged(self) -> Match:
        """What the matcher says."""
        return compare(self.one, self.other)


def read_listing(text: str) -> Listing:
    """One listing of the file."""
    name, street, town, municipality, venue, point, days = [*(part.strip() for part in text.split("|")), *[""] * 6][:7]
    code, _, city = town.partition(" ")
    first, _, last = days.partition("/")
    latitude, _, longitude = point.partition(",")
    return Listing(
        name=name,
        start_date=date.fromisoformat(first) if first else DAY,
        end_date=date.fromisoformat(last) if last else DAY,
        address=street or None,
        venue=venue or None,
        postal_code=code or None,
        city=city or None,
        municipality=municipality or None,
        point=Point(float(latitude), float(longitude)) if point else None,
    )


def read_pairs(path: Path = LABELLED) -> list[Pair]:
    """All pairs of a file, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [Pair(label == "same", read_listing(one), read_listing(other)) for label, one, other in rows]


def figures(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Precision and recall of joining."""
    joined = [pair for pair in pairs if pair.judged().same]
    right = sum(pair.same for pair in joined)
    return right / len(joined), right / sum(pair.same for pair in pairs)


class TestLabelledPairs:
    """A false merge hides a market: precision weighs more than recall."""

    def test_tuned_half(self) -> None:
        """Rows with an odd number."""
        precision, recall = figures(read_pairs()[0::2])
        assert precision >= 0.97
        assert recall >= 0.90

    def test_held_half(self) -> None:
        """Rows with an even number, on which nothing was tuned."""
        pairs = read_pairs()[1::2]
        precision, recall = figures(pairs)
        assert len(pairs) * 2 >= 200
        assert precision >= 0.97
        assert recall >= 0.90

    def test_fresh(self) -> None:
        """Pairs that were written after the matcher."""
        precision, recall = figures(read_pairs(FRESH))
        assert precision >= 0.97
        assert recall >= 0.90

    def test_either_way(self) -> None:
        """The order of the two does not matter."""
        for pair in read_pairs():
            assert compare(pair.one, pair.other).score == compare(pair.other, pair.one).score


def report(show: Sequence[str]) -> None:
    """Print the figures of both halves, and the wrong pairs of those named."""
    pairs = read_pairs()
    for half, of_half in (("tuned", pairs[0::2]), ("held", pairs[1::2]), ("fresh", read_pairs(FRESH))):
        precision, recall = figures(of_half)
        sys.stdout.write(f"{half}: {len(of_half)} pairs, precision {precision:.3f}, recall {recall:.3f}\n")
        for pair in of_half:
            judged = pair.judged()
            if judged.same != pair.same and half in show:
                sys.stdout.write(f"  {'same' if pair.same else 'other'} {judged.score} {judged.reasons}\n")


if __name__ == "__main__":
    report(sys.argv[1:] or ["tuned", "held", "fresh"])
