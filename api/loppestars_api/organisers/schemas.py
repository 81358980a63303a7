"""What is sent and read about organisers and their markets."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loppestars_core.organisers.claims import Decision

# PostgreSQL's text holds no NUL.
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\u0000]*$")]


class ClaimRequest(BaseModel):
    """How an admin can see that the market is the caller's."""

    model_config = ConfigDict(extra="ignore")

    message: Words | None = None


class ClaimRecord(BaseModel):
    """A claim to a market."""

    id: UUID
    market_id: UUID
    market_name: str
    user_id: str
    message: str | None
    state: Literal["requested", "granted", "refused", "revoked"]
    created_at: datetime
    decided_at: datetime | None
    note: str | None


class ClaimDecision(BaseModel):
    """What an admin decides about a claim."""

    decision: Decision
    note: Words | None = None


class OrganisedMarket(BaseModel):
    """A market that the caller may speak for, and what visitors think of it."""

    market_id: UUID
    name: str
    start_date: date
    end_date: date
    state: Literal["scheduled", "cancelled", "postponed", "vanished"]
    average: float | None = Field(description="Of all ratings, from 1 to 10.")
    ratings: int
    market_ratings: int
    stall_ratings: int
    favourites: int = Field(description="Visitors who keep an eye on it.")
