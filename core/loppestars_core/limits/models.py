"""Counts of rate limits, shared by all replicas of the API.

Unlogged: written for every limited request, worth nothing after a minute, and empty after a crash is the right value.
Keys hold addresses and user ids; rows are deleted when they no longer limit anything.
"""

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.database.base import Base, Instant


class RateLimit(Base):
    """Exact limits (GCRA): when the bucket of a key would be empty again."""

    __tablename__ = "rate_limits"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 - SQLAlchemy's own attribute

    key: Mapped[str] = mapped_column(primary_key=True)
    arrival: Mapped[Instant]


class RateWindow(Base):
    """Approximate limits: requests of a key in the window that started at that Unix time, in seconds."""

    __tablename__ = "rate_windows"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 - SQLAlchemy's own attribute

    key: Mapped[str] = mapped_column(primary_key=True)
    started: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
