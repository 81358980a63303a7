"""Types of parameters that features share."""

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BeforeValidator

from loppestars_api.web.errors import NotFound

# What lies deeper costs the database more than it is worth to a reader.
MAX_OFFSET: Final = 2_000
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many matches to leave out.")]

_NUMBER: Final = re.compile(r"[+-]?[0-9]{0,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,4})?")


def _plain_number(value: object) -> object:
    """Refuse what Python reads as a number and other programs do not, as `1_0`."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("must be a number")
    return value


PlainNumber = BeforeValidator(_plain_number)


def uuid_or_missing(text: str, missing: str) -> UUID:
    """Parse an id from a path. Raise `NotFound` with `missing` where it cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(missing) from None
