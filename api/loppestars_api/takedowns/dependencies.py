"""Takedowns of the running API, for routes."""

from typing import Annotated

from fastapi import Depends

from loppestars_api.state import State
from loppestars_api.takedowns.service import TakedownService


async def takedowns_of(state: State) -> TakedownService:
    """Return what may be done about photos that a person wants to be gone."""
    return TakedownService(state)


Takedowns = Annotated[TakedownService, Depends(takedowns_of)]
