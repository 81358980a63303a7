"""The table of Danish postal codes: which exist, the town of each, and its centre.

The data are GeoNames' (CC BY 4.0), see the first lines of `data/danish_postal_codes.tsv` and docs/decisions/0030.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from loppestars_core.kit.folding import fold
from loppestars_core.places.points import Point, centre_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# A district of a large town: "København NV", "Aarhus C", "Vejle Øst".
_DISTRICT = re.compile(r" (?:C|K|V|Ø|N|S|M|NV|SV|NØ|SØ|Øst)$")

# How people write the first word of a town, folded.
_FIRST_WORDS = {
    "copenhagen": "kobenhavn",
    "kbh": "kobenhavn",
    "kbhvn": "kobenhavn",
    "kobenhavns": "kobenhavn",
    "frb": "frederiksberg",
    "kgs": "kongens",
}
# And whole towns; the value is a name of the table.
_ALIASES = {
    "lyngby": "Kongens Lyngby",
    "hoje tastrup": "Taastrup",
    "nykobing falster": "Nykøbing F",
    "nykobing sjaelland": "Nykøbing Sj",
    "nykobing mors": "Nykøbing M",
}
# A town's second code, when it has just two, is that of its post-office boxes (7000 and 7007 Fredericia).
_CODES_OF_AN_UNDIVIDED_TOWN = 2


@dataclass(frozen=True, slots=True)
class PostalCode:
    """A code, its town as the post writes it, its municipality, and the middle of its area."""

    code: str
    town: str
    municipality: str
    centre: Point


class PostalCodes:
    """Lookups over the table, by code and by the name of a town."""

    def __init__(self, rows: list[PostalCode]) -> None:
        """Index `rows`, at least one; codes are unique."""
        self.by_code: Mapping[str, PostalCode] = MappingProxyType({row.code: row for row in rows})
        towns: dict[str, list[PostalCode]] = defaultdict(list)
        for row in rows:
            towns[row.town].append(row)
            if (large_town := _DISTRICT.sub("", row.town)) != row.town:
                towns[large_town].append(row)
        self._rows_of_town = towns
        self._town_of_name = {fold(name): name for name in towns}
        for alias, name in _ALIASES.items():
            self._town_of_name.setdefault(alias, name)

    def get(self, code: str | None) -> PostalCode | None:
        """Row of a code such as `4900`, or None where no such code exists."""
        return self.by_code.get(code) if code else None

    def town_named(self, name: str | None) -> str | None:
        """Town as the table writes it (`københavn ø` → `København Ø`, `Århus` → `Aarhus`), or None for no town."""
        first, *others = fold(name or "").split() or [""]
        return self._town_of_name.get(" ".join([_FIRST_WORDS.get(first, first), *others]))

    def codes_of(self, town: str) -> list[PostalCode]:
        """Codes of a town that `town_named` returned; a large town without its district has the codes of all."""
        return self._rows_of_town.get(town, [])

    def only_code_of(self, town: str) -> PostalCode | None:
        """Code of a town that has one (beside that of its boxes); None for a divided or unknown town."""
        rows = self.codes_of(town)
        divided = any(row.town != town for row in rows)
        if not rows or divided or len(rows) > _CODES_OF_AN_UNDIVIDED_TOWN:
            return None
        return min(rows, key=lambda row: row.code)

    def centre_of_town(self, town: str) -> Point | None:
        """Middle of the centres of a town's codes."""
        rows = self.codes_of(town)
        return centre_of([row.centre for row in rows]) if rows else None

    def belongs(self, code: str, town: str) -> bool:
        """Whether a code is one of a town's."""
        return any(row.code == code for row in self.codes_of(town))


@cache
def danish_postal_codes() -> PostalCodes:
    """Read the table that is part of the package; about 1,150 rows, read once."""
    text = (files("loppestars_core.places") / "data" / "danish_postal_codes.tsv").read_text(encoding="utf-8")
    rows = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            code, town, municipality, latitude, longitude = line.split("\t")
            rows.append(PostalCode(code, town, municipality, Point(float(latitude), float(longitude))))
    return PostalCodes(rows)
