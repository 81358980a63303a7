"""Favourite markets of visitors."""

import uuid

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt
from loppestars_core.markets.models import Market


class Favourite(Base):
    """A market that a visitor keeps an eye on."""

    __tablename__ = "favourites"

    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    market_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Market.id, ondelete="RESTRICT"), primary_key=True, index=True
    )
    created_at: Mapped[CreatedAt]
