"""Organisers of the running API, for routes."""

from typing import Annotated

from fastapi import Depends

from loppestars_api.organisers.service import OrganiserService
from loppestars_api.state import State


async def organisers_of(state: State) -> OrganiserService:
    """Return what organisers ask for and see."""
    return OrganiserService(state)


Organisers = Annotated[OrganiserService, Depends(organisers_of)]
