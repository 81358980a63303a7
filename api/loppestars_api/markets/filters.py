"""Days and facilities by which lists of markets are narrowed."""

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

from annotated_types import Ge, Le
from fastapi import Depends, Query

from loppestars_api.web.errors import Unprocessable


@dataclass(frozen=True, slots=True)
class MarketFilters:
    """Days between which a market runs, both included, and the facilities that it must or must not have."""

    from_day: date | None = None
    until_day: date | None = None
    flags: dict[str, bool] = field(default_factory=dict)


# Days beyond these have no markets, and sums with them no date.
_Bounded = Annotated[date, Ge(date(1900, 1, 1)), Le(date(2999, 12, 31))]
_Day = Annotated[_Bounded | None, Query(description="YYYY-MM-DD, in Denmark.")]
_Flag = Annotated[bool | None, Query(description="Only markets with it, or with `false` only those without.")]


async def _filters(  # noqa: PLR0913 - one argument per parameter
    *,
    from_day: _Day = None,
    until_day: _Day = None,
    has_food: _Flag = None,
    has_parking: _Flag = None,
    has_toilets: _Flag = None,
    has_wifi: _Flag = None,
    is_indoor: _Flag = None,
    is_outdoor: _Flag = None,
) -> MarketFilters:
    """Return the filters of a request. Raise 422 when its days are the wrong way round."""
    if from_day is not None and until_day is not None and until_day < from_day:
        raise Unprocessable("until_day is before from_day.")
    flags = {
        "has_food": has_food,
        "has_parking": has_parking,
        "has_toilets": has_toilets,
        "has_wifi": has_wifi,
        "is_indoor": is_indoor,
        "is_outdoor": is_outdoor,
    }
    return MarketFilters(from_day, until_day, {name: wanted for name, wanted in flags.items() if wanted is not None})


Filters = Annotated[MarketFilters, Depends(_filters)]
