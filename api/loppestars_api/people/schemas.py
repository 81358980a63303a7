"""What a person reads and sends about themselves."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loppestars_core.privacy.models import ConsentKind

Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]


class ConsentRecord(BaseModel):
    """The newest word of a person on one text."""

    model_config = ConfigDict(from_attributes=True)

    kind: ConsentKind
    version: str
    given: bool
    at: datetime


class ConsentChange(BaseModel):
    """Which version of a text a person consents to, or does so no more."""

    version: Version = Field(examples=["2026-01"])
    given: bool


class ErasureState(BaseModel):
    """A request to be forgotten that has not been carried out yet."""

    requested_at: datetime
    due_at: datetime = Field(description="Until then it can be taken back.")


class Me(BaseModel):
    """Who is signed in, and what is being done with their data."""

    id: str
    email: str | None
    created_at: datetime
    roles: list[Literal["visitor", "seller", "organiser", "admin"]]
    consents: list[ConsentRecord]
    erasure: ErasureState | None = Field(description="Null unless the account is being deleted.")


class FacebookAnswer(BaseModel):
    """What Facebook shows to whoever asked it to have their data deleted."""

    url: str
    confirmation_code: str
