"""Crawl runs: what was asked, what came of it, for each source and for each item that failed."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.contract.sources import SourceType
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.database.base import Base, CreatedAt, Document, Sequence, UuidKey, one_of


class Counts:
    """The counters of a run or of one source in it: each item is counted in `seen` and in one of the others."""

    seen: Mapped[int] = mapped_column(server_default=text("0"))
    new: Mapped[int] = mapped_column(server_default=text("0"))
    changed: Mapped[int] = mapped_column(server_default=text("0"))
    unchanged: Mapped[int] = mapped_column(server_default=text("0"))
    vanished: Mapped[int] = mapped_column(server_default=text("0"))
    skipped: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))


class CrawlRun(Counts, Base):
    __tablename__ = "crawl_runs"
    __table_args__ = (
        CheckConstraint(one_of("state", CrawlState), name="state_is_known"),
        CheckConstraint(one_of("trigger", CrawlTrigger), name="trigger_is_known"),
        # At most one waits and at most one runs, whoever asks: the second insert finds the first run.
        Index(
            "uq_crawl_runs_active",
            "state",
            unique=True,
            postgresql_where=text("state IN ('pending', 'running')"),
        ),
        Index("ix_crawl_runs_created_at", "created_at"),
    )

    id: Mapped[UuidKey]
    trigger: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=CrawlState.PENDING)
    sources: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    item_limit: Mapped[int | None]
    dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    accept_shrink: Mapped[bool] = mapped_column(server_default=text("false"))
    """Believe a source that lists far less than last time."""
    expected: Mapped[int | None]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    requested_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    request_id: Mapped[str | None]
    cancel_requested_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]


class CrawlSource(Counts, Base):
    """One source within a run; the last successful one tells how many items to expect."""

    __tablename__ = "crawl_sources"
    __table_args__ = (
        UniqueConstraint("run_id", "source"),
        CheckConstraint(one_of("state", CrawlState), name="state_is_known"),
        Index("ix_crawl_sources_source", "source", "finished_at"),
    )

    id: Mapped[Sequence]
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(CrawlRun.id, ondelete="CASCADE"))
    source: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=CrawlState.PENDING)
    expected: Mapped[int | None]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    coverage: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    """Of how many listed markets the source said each field."""
    warnings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    pages: Mapped[int] = mapped_column(server_default=text("0"))
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    fetch_seconds: Mapped[float] = mapped_column(Double, server_default=text("0"))
    """How long all its pages took together."""
    quarantined: Mapped[int] = mapped_column(server_default=text("0"))
    """Markets that are not believed until an admin releases them; counted in `skipped`."""


class ManagedBy(StrEnum):
    """Who wrote a source; an admin's word stands."""

    SETTINGS = "settings"
    ADMIN = "admin"


class Source(Base):
    """A site with markets: how it is read, when, and how politely."""

    __tablename__ = "sources"
    __table_args__ = (
        CheckConstraint(one_of("type", SourceType), name="type_is_known"),
        CheckConstraint(one_of("managed_by", ManagedBy), name="manager_is_known"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    start_urls: Mapped[list[str]] = mapped_column(ARRAY(Text))
    schedule: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    rank: Mapped[int] = mapped_column(server_default=text("100"))
    delay_seconds: Mapped[float | None] = mapped_column(Double)
    max_pages: Mapped[int | None]
    managed_by: Mapped[str] = mapped_column(server_default=ManagedBy.SETTINGS)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class CrawlEvent(Base):
    """A line of the log of a run; `id` is its order."""

    __tablename__ = "crawl_events"
    __table_args__ = (Index("ix_crawl_events_run_id", "run_id", "id"),)

    id: Mapped[Sequence]
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(CrawlRun.id, ondelete="CASCADE"))
    source: Mapped[str | None]
    kind: Mapped[str]
    message: Mapped[str]
    data: Mapped[Document] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]


class CrawlFailedItem(Base):
    """An item that was not understood or could not be stored, with the snippet that shows why."""

    __tablename__ = "crawl_failed_items"

    id: Mapped[Sequence]
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(CrawlRun.id, ondelete="CASCADE"), index=True)
    source: Mapped[str]
    reason: Mapped[str]
    url: Mapped[str | None]
    snippet: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class CrawledPage(Base):
    """The last answer of an address that came with a validator (ETag or Last-Modified)."""

    __tablename__ = "crawled_pages"
    __table_args__ = (Index("ix_crawled_pages_fetched_at", "fetched_at"),)

    url: Mapped[str] = mapped_column(primary_key=True)
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    content_type: Mapped[str | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """Compressed (zlib)."""
    fetched_at: Mapped[CreatedAt]
