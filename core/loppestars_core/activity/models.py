"""Events of the app and reports about crawls: two logs that clients write and read."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt, Document, Instant, UuidKey, one_of


class EventType(StrEnum):
    """What a visitor did."""

    MARKET_SELECTED = "market_selected"
    MARKET_MARKED_HERE = "market_marked_here"
    MARKET_FAVORITED = "market_favorited"
    MARKET_UNFAVORITED = "market_unfavorited"
    STALL_RATED = "stall_rated"
    MARKET_RATED = "market_rated"
    PHOTO_ADDED = "photo_added"
    RATING_DELETED = "rating_deleted"
    PHOTO_DELETED = "photo_deleted"
    MARKET_VIEWED = "market_viewed"


class EntityType(StrEnum):
    """What it was done to."""

    MARKET = "market"
    RATING = "rating"
    PHOTO = "photo"


class AppEvent(Base):
    """Something a visitor did in the app."""

    __tablename__ = "app_events"
    __table_args__ = (
        CheckConstraint(one_of("event_type", EventType), name="event_type_is_known"),
        CheckConstraint(one_of("entity_type", EntityType), name="entity_type_is_known"),
        Index("ix_app_events_user_id_event_type_timestamp", "user_id", "event_type", "timestamp"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    event_type: Mapped[str]
    entity_type: Mapped[str]
    entity_id: Mapped[str | None]
    event_metadata: Mapped[Document] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    """`metadata` is a name that SQLAlchemy needs itself."""
    timestamp: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]


class ScrapingLog(Base):
    """A report about a crawl, written by an admin or by a script with the operator's token."""

    __tablename__ = "scraping_logs"
    __table_args__ = (Index("ix_scraping_logs_scraped_at", "scraped_at"),)

    id: Mapped[UuidKey]
    scraped_at: Mapped[Instant] = mapped_column(server_default=func.now())
    status: Mapped[str]
    message: Mapped[str | None]
    output: Mapped[str | None]
    error: Mapped[str | None]
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[CreatedAt]
