"""Markets, what each source said of them, corrections by admins, and where addresses are.

A row of `markets` is one occurrence: a market on its dates. Occurrences of one market share `series_id`.
"""

import uuid
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, Numeric, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.crawls.models import CrawlRun
from loppestars_core.database.base import Base, CreatedAt, Document, Instant, Sequence, UuidKey, one_of


class MarketState(StrEnum):
    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    POSTPONED = "postponed"
    VANISHED = "vanished"


class Market(Base):
    __tablename__ = "markets"
    __table_args__ = (
        CheckConstraint(one_of("state", MarketState), name="state_is_known"),
        CheckConstraint("end_date >= start_date", name="ends_after_start"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="position_is_whole"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_in_range"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_in_range"),
        Index("ix_markets_dates", "end_date", "start_date", postgresql_where=text("state = 'scheduled'")),
        # Few: what one source calls off is looked for when another lists it.
        Index("ix_markets_called_off", "start_date", postgresql_where=text("state IN ('cancelled', 'postponed')")),
        # Points on a plane of degrees: enough for a bounding box, and needs no PostGIS.
        Index(
            "ix_markets_position",
            text("point(longitude, latitude)"),
            postgresql_using="gist",
            postgresql_where=text("state = 'scheduled' AND latitude IS NOT NULL"),
        ),
        Index("ix_markets_search", "search_terms", postgresql_using="gin"),
    )

    id: Mapped[UuidKey]
    series_id: Mapped[uuid.UUID] = mapped_column(index=True)
    external_id: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=MarketState.SCHEDULED)
    name: Mapped[str]
    municipality: Mapped[str | None]
    category: Mapped[str]
    start_date: Mapped[date]
    end_date: Mapped[date]
    address: Mapped[str | None]
    city: Mapped[str | None]
    postal_code: Mapped[str | None]
    latitude: Mapped[float | None] = mapped_column(Double)
    longitude: Mapped[float | None] = mapped_column(Double)
    position_approximate: Mapped[bool] = mapped_column(server_default=text("false"))
    description: Mapped[str | None]
    organizer_name: Mapped[str | None]
    organizer_phone: Mapped[str | None]
    organizer_email: Mapped[str | None]
    organizer_website: Mapped[str | None]
    opening_hours: Mapped[str | None]
    entry_fee: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    stall_count: Mapped[int | None]
    has_food: Mapped[bool] = mapped_column(server_default=text("false"))
    has_parking: Mapped[bool] = mapped_column(server_default=text("false"))
    has_toilets: Mapped[bool] = mapped_column(server_default=text("false"))
    has_wifi: Mapped[bool] = mapped_column(server_default=text("false"))
    is_indoor: Mapped[bool] = mapped_column(server_default=text("false"))
    is_outdoor: Mapped[bool] = mapped_column(server_default=text("false"))
    special_features: Mapped[str | None]
    source_url: Mapped[str | None]
    source_fields: Mapped[dict[str, Any] | None] = mapped_column("loppemarkeder_nu", JSONB(none_as_null=True))
    """Further fields of the source. The column keeps its first name: earlier releases read it during an upgrade."""
    scraped_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    search_name: Mapped[str] = mapped_column(server_default="")
    """The folded name (`markets.folding`), for ranking."""
    search_terms: Mapped[str] = mapped_column(TSVECTOR, server_default=text("''::tsvector"))
    """Folded words and their endings, so that a prefix query finds any part of a word."""


class MarketRedirect(Base):
    """The id of a market that was merged into another keeps resolving."""

    __tablename__ = "market_redirects"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    market_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Market.id, ondelete="CASCADE"), index=True)
    merged_at: Mapped[CreatedAt]


class MarketSighting(Base):
    """What one source said of one occurrence. Rows are history: changed content supersedes, nothing is rewritten."""

    __tablename__ = "market_sightings"
    __table_args__ = (
        Index(
            "uq_market_sightings_current",
            "source",
            "external_id",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index(
            "ix_market_sightings_blocks",
            "blocks",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
            postgresql_where=text("superseded_at IS NULL"),
        ),
        # What an older release stored: none, once its days are over.
        Index(
            "ix_market_sightings_without_blocks",
            "market_id",
            postgresql_where=text("blocks IS NULL AND superseded_at IS NULL"),
        ),
    )

    id: Mapped[Sequence]
    market_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Market.id, ondelete="CASCADE"), index=True)
    source: Mapped[str]
    external_id: Mapped[str]
    url: Mapped[str | None]
    raw: Mapped[Document]
    content_hash: Mapped[str]
    blocks: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    """What a listing of the same market would share with it (`markets.blocks`)."""
    first_seen_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    missed_crawls: Mapped[int] = mapped_column(server_default=text("0"))
    """Successful crawls of the source in a row that did not list it."""
    superseded_at: Mapped[datetime | None]
    crawl_run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey(CrawlRun.id, ondelete="SET NULL"))


class MarketOverride(Base):
    """An admin's correction of one field; no crawl undoes it."""

    __tablename__ = "market_overrides"
    __table_args__ = (
        Index(
            "uq_market_overrides_active",
            "market_id",
            "field",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[Sequence]
    market_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Market.id, ondelete="CASCADE"))
    field: Mapped[str]
    value: Mapped[Any] = mapped_column(JSONB)
    set_at: Mapped[CreatedAt]
    set_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None]


class DecisionKind(StrEnum):
    """What was decided about two groups of listings."""

    SAME = "same"
    DIFFERENT = "different"
    SPLIT = "split"
    """Different, and they were one market before."""


class MarketDecision(Base):
    """That listings are one market or are not; the ids are of the markets at that time, which may have gone since."""

    __tablename__ = "market_decisions"
    __table_args__ = (
        CheckConstraint(one_of("kind", DecisionKind), name="kind_is_known"),
        *(
            Index(
                f"ix_market_decisions_{column}",
                column,
                postgresql_using="gin",
                postgresql_where=text("revoked_at IS NULL AND NOT automatic"),
            )
            for column in ("keys", "other_keys")
        ),
    )

    id: Mapped[Sequence]
    kind: Mapped[str]
    automatic: Mapped[bool]
    """By itself; then no later matching is held to it."""
    market_id: Mapped[uuid.UUID] = mapped_column(index=True)
    other_market_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    keys: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Listings of one side: the name of the source, a space, and its id of the occurrence."""
    other_keys: Mapped[list[str]] = mapped_column(ARRAY(Text))
    score: Mapped[float | None] = mapped_column(Double)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    made_at: Mapped[CreatedAt]
    made_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None]


class Geocode(Base):
    """The cache of geocoding: one row for each normalised address, found or rejected."""

    __tablename__ = "geocodes"
    __table_args__ = (UniqueConstraint("address_key", "provider"),)

    id: Mapped[Sequence]
    address_key: Mapped[str]
    provider: Mapped[str]
    latitude: Mapped[float | None] = mapped_column(Double)
    longitude: Mapped[float | None] = mapped_column(Double)
    confidence: Mapped[float | None] = mapped_column(Double)
    rejected_reason: Mapped[str | None]
    found_at: Mapped[Instant] = mapped_column(server_default=func.now())


class QuarantinedMarket(Base):
    """A market that was understood and is not believed, until an admin releases it."""

    __tablename__ = "crawl_quarantine"
    __table_args__ = (UniqueConstraint("source", "external_id"),)

    id: Mapped[Sequence]
    source: Mapped[str]
    external_id: Mapped[str]
    reason: Mapped[str]
    content_hash: Mapped[str]
    raw: Mapped[dict[str, Any]] = mapped_column(JSONB)
    run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey(CrawlRun.id, ondelete="SET NULL"))
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
