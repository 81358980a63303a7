"""Photos and their variants (original, processed)."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt, Document, Sequence, UuidKey, one_of


class PhotoState(StrEnum):
    """`no_faces` is a clean run that found none; what it publishes is a copy without metadata."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    NO_FACES = "no_faces"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        return self not in {PhotoState.PENDING, PhotoState.PROCESSING}


class PhotoSubject(StrEnum):
    """What a photo shows. `temporary` ones are the bytes of one request and leave no trace."""

    RATING = "rating"
    GALLERY = "gallery"
    EPHEMERAL = "temporary"


class Visibility(StrEnum):
    PRIVATE = "private"
    PUBLIC = "public"
    WITHDRAWN = "withdrawn"


class Withdrawal(StrEnum):
    """Why a photo is withdrawn: only the same reason brings it back."""

    ERASURE = "erasure"
    """Its owner asked to be forgotten."""
    TAKEDOWN = "takedown"
    """A person asked to take it down, and it is not decided yet or was granted."""


class TakedownState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    RESTORED = "restored"


class VariantKind(StrEnum):
    ORIGINAL = "original"
    PROCESSED = "processed"
    THUMBNAIL = "thumbnail"
    SCREEN = "screen"


class Photo(Base):
    """One photo from request to result. `original_key` is its path in the originals bucket."""

    __tablename__ = "photos"
    __table_args__ = (
        CheckConstraint(one_of("state", PhotoState), name="state_is_known"),
        CheckConstraint(one_of("subject", PhotoSubject), name="subject_is_known"),
        CheckConstraint(one_of("visibility", Visibility), name="visibility_is_known"),
        # Nothing is public unless a clean run made it.
        CheckConstraint(
            "visibility <> 'public' OR state IN ('completed', 'no_faces')", name="public_only_when_processed"
        ),
        Index("ix_photos_unfinished", "created_at", postgresql_where=text("state IN ('pending', 'processing')")),
        Index("ix_photos_originals", "finished_at", postgresql_where=text("original_deleted_at IS NULL")),
    )

    id: Mapped[UuidKey]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="RESTRICT"), index=True)
    """Restrict: a user's bytes are deleted before the user is."""
    subject: Mapped[str] = mapped_column(server_default=PhotoSubject.RATING)
    original_key: Mapped[str] = mapped_column(unique=True)
    content_hash: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=PhotoState.PENDING)
    visibility: Mapped[str] = mapped_column(server_default=Visibility.PRIVATE)
    withdrawn_for: Mapped[str | None]
    """The `Withdrawal` that hides it; None where it is not withdrawn, or by hand."""
    options: Mapped[Document] = mapped_column(server_default=text("'{}'::jsonb"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    claim_token: Mapped[uuid.UUID | None]
    """Who may finish it: the newest claim only."""
    faces: Mapped[int | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]
    request_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    original_deleted_at: Mapped[datetime | None]


class PhotoVariant(Base):
    __tablename__ = "photo_variants"
    __table_args__ = (
        UniqueConstraint("photo_id", "kind"),
        UniqueConstraint("bucket", "key"),
        CheckConstraint(one_of("kind", VariantKind), name="kind_is_known"),
    )

    id: Mapped[Sequence]
    photo_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"))
    kind: Mapped[str]
    bucket: Mapped[str]
    key: Mapped[str]
    format: Mapped[str]
    """Media type, e.g. image/jpeg."""
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]


class Takedown(Base):
    """A request to take a photo down, by whoever is pictured; it needs no account."""

    __tablename__ = "takedowns"
    __table_args__ = (
        CheckConstraint(one_of("state", TakedownState), name="state_is_known"),
        Index("ix_takedowns_open", "created_at", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UuidKey]
    photo_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"), index=True)
    reason: Mapped[str | None]
    contact: Mapped[str | None]
    """Where to answer, if the person wishes so; emptied by the decision."""
    state: Mapped[str] = mapped_column(server_default=TakedownState.OPEN)
    created_at: Mapped[CreatedAt]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    note: Mapped[str | None]
