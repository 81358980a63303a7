"""Devices as a user sees them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class DeviceResponse(BaseModel):
    """A device on which the user is signed in."""

    id: UUID
    provider: str | None = Field(description="By which provider the user signed in.")
    user_agent: str | None = Field(description="What the device called itself then.")
    signed_in_at: datetime
    last_used_at: datetime = Field(description="When the device last renewed its access token.")
    current: bool = Field(description="Whether it is the one that asks.")


class SignedOutResponse(BaseModel):
    """How many devices were signed out."""

    signed_out: int
