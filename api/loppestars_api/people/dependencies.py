"""People of the running API, for routes."""

from typing import Annotated

from fastapi import Depends

from loppestars_api.people.service import PeopleService
from loppestars_api.state import State


async def people_of(state: State) -> PeopleService:
    """Return what people may do with their own data."""
    return PeopleService(state)


People = Annotated[PeopleService, Depends(people_of)]
