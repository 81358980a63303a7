"""What exports are asked by: the filters of nearby and search at once."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import Depends, Query

from loppestars_api.markets.filters import Filters
from loppestars_api.markets.schemas import LatitudeParameter, LongitudeParameter, Radius, RadiusAlias, SearchText
from loppestars_api.web.errors import Unprocessable
from loppestars_api.web.parameters import PlainNumber
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.query import MarketQuery, Position

MAX_ROWS: Final = 1_000_000
_DEFAULT_RADIUS_KM: Final = 50.0
_NoLimit = Annotated[
    int | None, PlainNumber, Query(ge=1, le=MAX_ROWS, description="Maximum number of markets; all by default.")
]
_DaysAhead = Annotated[
    int | None,
    PlainNumber,
    Query(ge=1, le=365, description="How far into the future markets may start; without limit by default."),
]


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """The filters of a request; each format has its own first day and its own limit where none is given."""

    query: MarketQuery

    def since(self, day: date, limit: int | None = None) -> MarketQuery:
        """Return the query, from `day` on and with at most `limit` markets unless the request says otherwise."""
        until = self.query.until_day
        first = self.query.from_day or (day if until is None else min(day, until))
        return self.query.model_copy(update={"from_day": first, "limit": self.query.limit or limit})


async def _export_query(  # noqa: PLR0913 - one argument per parameter
    *,
    latitude: LatitudeParameter | None = None,
    longitude: LongitudeParameter | None = None,
    radius_km: Radius = None,
    radius: RadiusAlias = None,
    query: SearchText | None = None,
    filters: Filters,
    days_ahead: _DaysAhead = None,
    limit: _NoLimit = None,
) -> ExportQuery:
    """Return what a request asks for. Raise 422 when it gives half a position."""
    if (latitude is None) != (longitude is None):
        raise Unprocessable("latitude and longitude go together: give both or neither.")
    position = None
    if latitude is not None and longitude is not None:
        position = Position(latitude=latitude, longitude=longitude)
    until = filters.until_day
    if until is None and days_ahead is not None:
        until = (filters.from_day or today_in_denmark()) + timedelta(days=days_ahead)
    return ExportQuery(
        MarketQuery(
            position=position,
            radius_km=None if position is None else radius_km or radius or _DEFAULT_RADIUS_KM,
            text=query,
            from_day=filters.from_day,
            until_day=until,
            flags=filters.flags,
            limit=limit,
        )
    )


ExportParameters = Annotated[ExportQuery, Depends(_export_query)]
