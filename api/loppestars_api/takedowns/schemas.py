"""What is sent and read about photos that are to be taken down."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# PostgreSQL's text holds no NUL.
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^\u0000]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\u0000]*$")]


class TakedownRequest(BaseModel):
    """Why, and where to answer; both may be left out."""

    model_config = ConfigDict(extra="ignore")

    reason: Words | None = None
    contact: Line | None = Field(None, description="Deleted when it is decided.")


class TakedownByUrl(TakedownRequest):
    url: Annotated[str, StringConstraints(max_length=2000)] = Field(description="The photo's public address.")


class TakedownAnswer(BaseModel):
    hidden: Literal[True] = Field(
        default=True, description="The request is written down and the photo no longer shown."
    )


class TakedownRecord(BaseModel):
    """A request that waits for a decision."""

    id: UUID
    photo_id: UUID
    photo_url: str | None = Field(description="A link for the moderator that expires.")
    reason: str | None
    contact: str | None
    created_at: datetime


class Decision(BaseModel):
    """`confirm` deletes the photo's bytes; `restore` shows it again."""

    decision: Literal["confirm", "restore"]
    note: Words | None = None
