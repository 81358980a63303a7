"""Notifications, deliveries of them, preferences, push subscriptions, and how far the events have been read."""

import uuid
from datetime import datetime, time
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt, Document, UuidKey, one_of


class Kind(StrEnum):
    """Kinds of notifications."""

    MARKET_CANCELLED = "market_cancelled"
    MARKET_MOVED = "market_moved"
    MARKET_VANISHED = "market_vanished"
    PHOTO_READY = "photo_ready"
    CLAIM_DECIDED = "claim_decided"
    ERASURE_WARNING = "erasure_warning"
    ERASURE_LINK = "erasure_link"

    @property
    def mandatory(self) -> bool:
        """Whether it is sent by e-mail at once, whatever the person prefers: it is about the account itself."""
        return self in {Kind.ERASURE_WARNING, Kind.ERASURE_LINK}


class Channel(StrEnum):
    """How a notification leaves the platform; the list in the app has all of them anyway."""

    EMAIL = "email"
    PUSH = "push"


class Digest(StrEnum):
    """How often e-mails come."""

    NONE = "none"
    DAILY = "daily"
    WEEKLY = "weekly"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class EventPosition(Base):
    """How far a reader has read the domain events, by transaction and then by id."""

    __tablename__ = "event_positions"

    reader: Mapped[str] = mapped_column(primary_key=True)
    transaction_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    event_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    floor_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Events up to this id were read before the database moved to another server, which counts transactions afresh."""
    updated_at: Mapped[CreatedAt]


class Notification(Base):
    """A notification of one person, because of one event."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("user_id", "event_id", "kind"),
        CheckConstraint(one_of("kind", Kind), name="kind_is_known"),
        Index("ix_notifications_user_id_created_at", "user_id", "created_at"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    payload: Mapped[Document] = mapped_column(server_default=text("'{}'::jsonb"))
    """What the message says: names and dates as they were."""
    created_at: Mapped[CreatedAt]
    read_at: Mapped[datetime | None]


class PushSubscription(Base):
    """A browser or app that takes Web Push messages of a user."""

    __tablename__ = "push_subscriptions"

    id: Mapped[UuidKey]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    endpoint: Mapped[str] = mapped_column(unique=True)
    p256dh: Mapped[str]
    auth: Mapped[str]
    created_at: Mapped[CreatedAt]


class Delivery(Base):
    """A notification on its way out, once per channel and device."""

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        UniqueConstraint("notification_id", "channel", "subscription_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(one_of("channel", Channel), name="channel_is_known"),
        CheckConstraint(one_of("state", DeliveryState), name="state_is_known"),
        Index("ix_notification_deliveries_due", "due_at", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[UuidKey]
    notification_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Notification.id, ondelete="CASCADE"))
    channel: Mapped[str]
    subscription_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(PushSubscription.id, ondelete="CASCADE"), index=True
    )
    state: Mapped[str] = mapped_column(server_default=DeliveryState.PENDING)
    due_at: Mapped[CreatedAt]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    sent_at: Mapped[datetime | None]


class NotificationPreferences(Base):
    """Notification preferences of a person; without a row the defaults hold."""

    __tablename__ = "notification_preferences"
    __table_args__ = (
        CheckConstraint(one_of("digest", Digest), name="digest_is_known"),
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet_hours_are_whole"),
    )

    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(server_default="da")
    email: Mapped[bool] = mapped_column(server_default=text("true"))
    push: Mapped[bool] = mapped_column(server_default=text("true"))
    digest: Mapped[str] = mapped_column(server_default=Digest.NONE)
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    """In Danish time; until may be earlier in the day than from."""
    muted: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """Kinds that are only listed."""
