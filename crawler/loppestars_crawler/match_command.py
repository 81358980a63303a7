"""`loppestars-crawler match`: whether two listed markets are one, and why, without a database."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loppestars_core.kit.cli import Json, fail, show_json
from loppestars_core.markets.listing import Listing
from loppestars_core.markets.matching import Match, compare
from loppestars_core.places.points import Point
from loppestars_crawler.addresses.normalising import PlaceWords
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.placing import place
from loppestars_crawler.geocoding.provider import NoCache


class ListedFile(BaseModel):
    """A listed market as a file has it; what a source does not say is left out or null."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    name: str = Field(min_length=1)
    start_date: date
    end_date: date | None = None
    venue: str | None = None
    address: str | None = None
    postal_code: str | None = None
    city: str | None = None
    municipality: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @model_validator(mode="after")
    def _check(self) -> "ListedFile":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together")
        return self

    def listing(self) -> Listing:
        """Return the market with its address put in order and its point believed or not, as a crawl would."""
        words = PlaceWords(self.address, self.city, self.postal_code, self.municipality, self.venue, self.name)
        given = None
        if self.latitude is not None and self.longitude is not None:
            given = Point(self.latitude, self.longitude)
        placed = asyncio.run(place(words, given, Locator(NoCache()), source="match"))
        address, location = placed.address, placed.location
        return Listing(
            name=self.name,
            start_date=self.start_date,
            end_date=self.end_date or self.start_date,
            address=address.street or self.venue,
            venue=self.venue,
            postal_code=address.postal_code,
            city=address.city,
            municipality=address.municipality,
            point=None if location.approximate else location.point,
        )


def match(
    one: Annotated[Path, typer.Argument(metavar="A.json", help="One listed market as JSON.")],
    other: Annotated[Path, typer.Argument(metavar="B.json", help="The other one.")],
    *,
    json: Json = False,
) -> None:
    """Judge whether two listed markets are the same occurrence, and explain why."""
    judged = compare(_read(one).listing(), _read(other).listing())
    if json:
        show_json({"same": judged.same, "score": judged.score, "reasons": list(judged.reasons)})
    else:
        typer.echo(_explained(judged))


def _read(path: Path) -> ListedFile:
    try:
        return ListedFile.model_validate_json(path.read_bytes())
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}", 2)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        fail(f"{path}: {where}: {problem['msg']}", 2)


def _explained(judged: Match) -> str:
    verdict = "the same market" if judged.same else "for an admin to decide" if judged.doubtful else "two markets"
    return "\n".join([f"{verdict} (score {judged.score:.2f})", *(f"- {reason}" for reason in judged.reasons)])
