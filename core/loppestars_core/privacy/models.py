"""Runs of retention, what people consented to, and their requests to be forgotten."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt, Document, Sequence, UuidKey, one_of


class RetentionRun(Base):
    """One run. `deleted` has the number of rows of each table; a run that was killed has no `finished_at`."""

    __tablename__ = "retention_runs"

    id: Mapped[Sequence]
    started_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
    deleted: Mapped[Document | None]
    error: Mapped[str | None]


class ConsentKind(StrEnum):
    """What a person may consent to."""

    TERMS = "terms"
    PRIVACY = "privacy"
    PHOTOS = "photos"
    NOTIFICATIONS = "notifications"


class Consent(Base):
    """A consent to one version of a text, or its withdrawal. Rows are only added; the newest of a kind holds."""

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint(one_of("kind", ConsentKind), name="kind_is_known"),
        Index("ix_consents_user_id_kind_id", "user_id", "kind", "id"),
    )

    id: Mapped[Sequence]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    kind: Mapped[str]
    version: Mapped[str]
    given: Mapped[bool]
    at: Mapped[CreatedAt]


class Channel(StrEnum):
    """Where a person asked to be forgotten."""

    APP = "app"
    WEB = "web"
    FACEBOOK = "facebook"
    OPERATOR = "operator"


class ErasureRequest(Base):
    """A request to be forgotten, with a code by which its state can be read when the user is gone."""

    __tablename__ = "erasure_requests"
    __table_args__ = (CheckConstraint(one_of("channel", Channel), name="channel_is_known"),)

    id: Mapped[UuidKey]
    user_id: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"), index=True)
    """None once the user is forgotten."""
    code: Mapped[str] = mapped_column(unique=True)
    """A secret of whoever asked."""
    channel: Mapped[str]
    requested_at: Mapped[CreatedAt]
    confirmed_at: Mapped[datetime | None]
    """When the link that was sent was followed; requests of signed-in people are confirmed at once."""
