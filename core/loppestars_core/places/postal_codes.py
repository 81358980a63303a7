"""The table of Danish postal codes: which exist, the town and municipality of each, and its centre.

The data are GeoNames' (CC BY 4.0), see the first lines of `data/danish_postal_codes.tsv` and docs/decisions/0030.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from loppestars_core.kit.folding import fold, fold_words
from loppestars_core.places.points import Point, centre_of
from loppestars_core.places.spelling import spelled_out

# A district of a large town: "København NV", "Aarhus C", "Vejle Øst".
_DISTRICT: Final = re.compile(r" (?:C|K|V|Ø|N|S|M|NV|SV|NØ|SØ|Øst)$")
# What the post adds to the name of a town that has a namesake: "Viby J", "Nykøbing Sj", "Lem St", "Brenderup Fyn".
_ADDED: Final = re.compile(
    r" (?:J|F|M|L|Sj|St|Fyn|Thy|Ærø|Sjælland|Vestj|Midtsj|Jyll|By|Stevns|Djurs|Sydfyn|Strand|Kyst)$"
)
# Whole towns, folded, as people write them; the value is a name of the table.
_ALIASES: Final = {
    "lyngby": "Kongens Lyngby",
    "hoje tastrup": "Taastrup",
    "nykobing falster": "Nykøbing F",
    "nykobing sjaelland": "Nykøbing Sj",
    "nykobing mors": "Nykøbing M",
    "elsinore": "Helsingør",
    "esbjerg c": "Esbjerg",
    "arhus": "Aarhus",
    "city kobenhavn": "København K",
}
_MUNICIPALITY: Final = re.compile(r"(?<!\s)\s++(?:regions)?kommune$", re.IGNORECASE)
_MUNICIPALITIES: Final = {
    "lyngby tarbaek": "Lyngby-Taarbæk",
    "lyngby": "Lyngby-Taarbæk",
    "kobenhavns": "København",
    "arhus": "Aarhus",
    "nordfyn": "Nordfyns",
    "vesthimmerland": "Vesthimmerlands",
    "faborg": "Faaborg-Midtfyn",
    "morso": "Morsø",
    "mors": "Morsø",
    "ringkobing": "Ringkøbing-Skjern",
    "tastrup": "Høje-Taastrup",
    "bornholms": "Bornholm",
}
# A town's second code, when it has just two, is that of its post-office boxes (7000 and 7007 Fredericia).
_CODES_OF_AN_UNDIVIDED_TOWN: Final = 2
_ENDINGS: Final = ("sund", "havn", "borg", "lund", "vaerk", "bjerg")
"""Endings of towns before which their first letters stand alone, with a full stop."""
_MAX_SHORT: Final = 3


@dataclass(frozen=True, slots=True)
class PostalCode:
    """A code, its town as the post writes it, its municipality, and the middle of its area."""

    code: str
    town: str
    municipality: str
    centre: Point


class PostalCodes:
    """The table by code, by the name of a town, and by municipality."""

    def __init__(self, rows: list[PostalCode]) -> None:
        """Index `rows`, at least one; codes are unique."""
        self.by_code: Mapping[str, PostalCode] = MappingProxyType({row.code: row for row in rows})
        towns: dict[str, list[PostalCode]] = defaultdict(list)
        municipalities: dict[str, list[PostalCode]] = defaultdict(list)
        for row in rows:
            municipalities[row.municipality].append(row)
            towns[row.town].append(row)
            if (large_town := _DISTRICT.sub("", row.town)) != row.town:
                towns[large_town].append(row)
        self._rows_of_town = towns
        self._rows_of_municipality = municipalities
        self._town_of_name = {fold(name): name for name in towns}
        for alias, name in _ALIASES.items():
            self._town_of_name.setdefault(alias, name)
        self.namesakes: Mapping[str, tuple[str, ...]] = MappingProxyType(self._bare_names())
        for bare, namesakes in self.namesakes.items():
            if len(namesakes) == 1:
                self._town_of_name.setdefault(bare, namesakes[0])
        for short, name in self._short_names().items():
            self._town_of_name.setdefault(short, name)
        self._municipality_of_name = {fold(name): name for name in municipalities} | _MUNICIPALITIES

    @property
    def towns(self) -> Mapping[str, str]:
        """Folded names of towns, and the name of the table that each means."""
        return MappingProxyType(self._town_of_name)

    @property
    def municipalities(self) -> tuple[str, ...]:
        """The 98 municipalities, in their short form."""
        return tuple(self._rows_of_municipality)

    def get(self, code: str | None) -> PostalCode | None:
        """Return the row of a code such as `4900`, or None where no such code exists."""
        return self.by_code.get(code) if code else None

    def town_named(self, name: str | None) -> str | None:
        """Return the town as the table writes it (`københavn ø` → `København Ø`), or None for no town."""
        words = spelled_out(fold_words(name or ""))
        return self._town_of_name.get(" ".join(words))

    def codes_of(self, town: str) -> list[PostalCode]:
        """Return the codes of a town that `town_named` returned; an undivided name has those of all districts."""
        return self._rows_of_town.get(town, [])

    def only_code_of(self, town: str) -> PostalCode | None:
        """Return the code of a town that has one (besides that of its boxes); None for a divided or unknown town."""
        rows = self.codes_of(town)
        if not rows or self.is_divided(town) or len(rows) > _CODES_OF_AN_UNDIVIDED_TOWN:
            return None
        return min(rows, key=lambda row: row.code)

    def is_divided(self, town: str) -> bool:
        """Return whether a town's codes have names of their own: Aarhus, not Aarhus C."""
        return any(row.town != town for row in self.codes_of(town))

    def large_town_of(self, code: str) -> str:
        """Return the town of a code without its district: `Aarhus` for 8000."""
        return _DISTRICT.sub("", self.by_code[code].town)

    def centre_of_town(self, town: str) -> Point | None:
        """Return the middle of the centres of a town's codes."""
        rows = self.codes_of(town)
        return centre_of([row.centre for row in rows]) if rows else None

    def belongs(self, code: str, town: str) -> bool:
        """Return whether a code is one of a town's."""
        return any(row.code == code for row in self.codes_of(town))

    def municipality_named(self, name: str | None) -> str | None:
        """Return the municipality (`Lolland Kommune` → `Lolland`), or None where none of the 98 has that name."""
        folded = fold(_MUNICIPALITY.sub("", (name or "").strip()))
        found = self._municipality_of_name.get(folded) or self._municipality_of_name.get(folded.removesuffix("s"))
        return found or None

    def codes_in(self, municipality: str) -> frozenset[str]:
        """Return the codes whose middle lies in a municipality."""
        return frozenset(row.code for row in self._rows_of_municipality.get(municipality, ()))

    def centre_of_municipality(self, municipality: str) -> Point | None:
        """Return the middle of a municipality's towns, each counted once."""
        towns = {row.town: row.centre for row in self._rows_of_municipality.get(municipality, ())}
        return centre_of(list(towns.values())) if towns else None

    def nearest(self, point: Point, codes: Iterable[str] = ()) -> PostalCode:
        """Return the row whose centre is nearest on a plane of degrees, of all rows or of `codes`."""
        rows = [self.by_code[code] for code in codes] or list(self.by_code.values())
        return min(
            rows,
            key=lambda row: (
                (row.centre.latitude - point.latitude) ** 2 + (0.56 * (row.centre.longitude - point.longitude)) ** 2,
                row.code,
            ),
        )

    def _short_names(self) -> dict[str, str]:
        """Return spellings that mean one town only: `F.sund`, `Sdr.borg`, and `Ringkjøbing` of old signs."""
        short: dict[str, set[str]] = defaultdict(set)
        for folded, name in self._town_of_name.items():
            short[folded.replace("kob", "kjob").replace("kog", "kjog")].add(name)
            ending = next((ending for ending in _ENDINGS if folded.endswith(ending)), None)
            if ending is not None and " " not in folded:
                start = folded.removesuffix(ending)
                for length in range(1, min(len(start), _MAX_SHORT) + 1):
                    short[f"{start[:length]} {ending}"].add(name)
                short[f"{start} {ending}"].add(name)
        return {spelling: names.pop() for spelling, names in short.items() if len(names) == 1}

    def _bare_names(self) -> dict[str, tuple[str, ...]]:
        """Return folded names without what the post adds, and the towns: `Lem` is Lem St, `Viby` may be two."""
        bare: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for town in self._rows_of_town:
            if (short := _ADDED.sub("", town)) != town:
                bare[fold(short)] += (town,)
        return bare


@cache
def danish_postal_codes() -> PostalCodes:
    """Return the table that is part of the package: about 1,150 rows, read once."""
    text = (files("loppestars_core.places") / "data" / "danish_postal_codes.tsv").read_text(encoding="utf-8")
    rows = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            code, town, municipality, latitude, longitude = line.split("\t")
            rows.append(PostalCode(code, town, municipality, Point(float(latitude), float(longitude))))
    return PostalCodes(rows)
