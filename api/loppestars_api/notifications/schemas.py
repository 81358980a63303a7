"""What is sent and read about notifications."""

from datetime import datetime, time
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from loppestars_core.notifications.models import Digest, Kind

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,200}={0,2}$")]
Endpoint = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https://[^\s\x00-\x1f]+$")]


class NotificationRecord(BaseModel):
    """A notification of the caller, and why it was sent."""

    id: UUID
    kind: Kind
    title: str
    text: str
    why: str
    payload: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


class NotificationList(BaseModel):
    """A page of notifications, the newest first."""

    unread: int = Field(description="Of all, not only of this page.")
    notifications: list[NotificationRecord]


class ReadMarks(BaseModel):
    """Which notifications have been read; all of them where none is named."""

    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] | None = Field(None, max_length=500)


class PreferencesBody(BaseModel):
    """Notification preferences of the caller. Messages about the account itself are always sent."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    language: Literal["da", "en"] = "da"
    email: bool = True
    push: bool = True
    digest: Digest = Field(Digest.NONE, description="Collects e-mails until 8 o'clock, or Monday at 8.")
    quiet_from: time | None = Field(None, description="In Danish time; nothing leaves until `quiet_until`.")
    quiet_until: time | None = None
    muted: list[Kind] = Field(default_factory=list, description="Kinds that are only listed.")

    @model_validator(mode="after")
    def _check_quiet_hours(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until go together: give both or neither")
        if any(clock is not None and clock.tzinfo is not None for clock in (self.quiet_from, self.quiet_until)):
            raise ValueError("quiet hours are in Danish time: leave the offset out")
        return self


class SubscriptionKeys(BaseModel):
    p256dh: Key
    auth: Key


class Subscription(BaseModel):
    """What `PushManager.subscribe` returns in a browser."""

    model_config = ConfigDict(extra="ignore")

    endpoint: Endpoint
    keys: SubscriptionKeys


class EndpointOnly(BaseModel):
    endpoint: Endpoint


class PushKey(BaseModel):
    key: str | None = Field(description="`applicationServerKey`; null where Web Push is not configured.")
