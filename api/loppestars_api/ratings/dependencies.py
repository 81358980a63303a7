"""Ratings of the running API, for routes."""

from typing import Annotated

from fastapi import Depends

from loppestars_api.ratings.service import RatingService
from loppestars_api.state import State


async def ratings_of(state: State) -> RatingService:
    """Return what is said of markets."""
    return RatingService(state)


Ratings = Annotated[RatingService, Depends(ratings_of)]
