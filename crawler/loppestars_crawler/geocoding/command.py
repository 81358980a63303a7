"""`loppestars-crawler geocode`: where an address is and why, without a database."""

import asyncio
from typing import Annotated, Any

import typer

from loppestars_core.kit.cli import Json, fail, show_json
from loppestars_core.places.points import Point
from loppestars_crawler.addresses.normalising import PlaceWords
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.placing import Placed, place
from loppestars_crawler.geocoding.provider import NoCache

_EXPLAINED: dict[str, str] = {
    "postal_code": "Postal code",
    "city": "Town",
    "municipality": "Municipality",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "verdict": "Verdict",
    "reason": "Because",
}


def geocode(  # noqa: PLR0913 - one option per field of a source
    text: Annotated[str | None, typer.Argument(help="An address as people write it.", show_default=False)] = None,
    *,
    name: Annotated[str | None, typer.Option(help="Name of the market.")] = None,
    venue: Annotated[str | None, typer.Option(help="Hall, square or house.")] = None,
    address: Annotated[str | None, typer.Option(help="Street line.")] = None,
    postal_code: Annotated[str | None, typer.Option(help="Postal code as the source has it.")] = None,
    city: Annotated[str | None, typer.Option(help="Town as the source has it.")] = None,
    municipality: Annotated[str | None, typer.Option(help="Municipality, with or without Kommune.")] = None,
    latitude: Annotated[float | None, typer.Option(help="The source's own latitude.")] = None,
    longitude: Annotated[float | None, typer.Option(help="The source's own longitude.")] = None,
    json: Json = False,
) -> None:
    """Explain where an address is: its postal code, town and point, and what decided them."""
    if (latitude is None) != (longitude is None):
        fail("--latitude and --longitude belong together: give both or neither", 2)
    words = PlaceWords(text or address, city, postal_code, municipality, venue, name)
    if text and address:
        fail("give the address as an argument or with --address, not both", 2)
    point = Point(latitude, longitude) if latitude is not None and longitude is not None else None
    placed = asyncio.run(place(words, point, Locator(NoCache()), source="geocode"))
    if json:
        show_json(_answer(placed))
    else:
        typer.echo(_explained(placed))


def _answer(placed: Placed) -> dict[str, Any]:
    address, location = placed.address, placed.location
    return {
        "postal_code": address.postal_code,
        "city": address.city,
        "municipality": address.municipality,
        "latitude": location.point.latitude if location.point else None,
        "longitude": location.point.longitude if location.point else None,
        "approximate": location.approximate,
        "verdict": str(location.verdict),
        "reason": location.reason,
    }


def _explained(placed: Placed) -> str:
    answer = _answer(placed)
    lines = [f"{label + ':':14}{answer[key]}" for key, label in _EXPLAINED.items() if answer[key] is not None]
    if placed.address.line:
        lines.insert(0, f"{'Address:':14}{placed.address.line}")
    if placed.location.approximate:
        lines.append(f"{'Note:':14}The point is approximate: the middle of an area, not of the address.")
    lines += [f"{'Decided by:':14}{reason}" for reason in placed.address.reasons]
    lines += [f"{'Doubt:':14}{doubt}" for doubt in placed.address.doubts]
    return "\n".join(lines)
