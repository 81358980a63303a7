"""Claims of organisers to markets."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt, UuidKey, one_of
from loppestars_core.markets.models import Market


class ClaimState(StrEnum):
    """Where a claim stands."""

    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"
    REVOKED = "revoked"


class MarketClaim(Base):
    """A user says that a market is theirs. It holds for all occurrences of the market's series."""

    __tablename__ = "market_claims"
    __table_args__ = (
        CheckConstraint(one_of("state", ClaimState), name="state_is_known"),
        Index(
            "uq_market_claims_standing",
            "user_id",
            "market_id",
            unique=True,
            postgresql_where=text("state IN ('requested', 'granted')"),
        ),
        Index("ix_market_claims_requested", "created_at", postgresql_where=text("state = 'requested'")),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    market_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Market.id, ondelete="CASCADE"), index=True)
    """Before a merge deletes a market, its claims move to the one that stays."""
    message: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=ClaimState.REQUESTED)
    created_at: Mapped[CreatedAt]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    note: Mapped[str | None]
