"""Users, how they sign in, and the roles they hold."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.database.base import Base, CreatedAt, Sequence, one_of


class Role(StrEnum):
    VISITOR = "visitor"
    SELLER = "seller"
    ORGANISER = "organiser"
    ADMIN = "admin"


class User(Base):
    """A person. The id is the subject of their tokens, which is also the folder of their photos."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("id ~ '^[^/[:cntrl:]]{1,128}$'", name="id_is_a_path_segment"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class Identity(Base):
    """One way in which a user signs in: the issuer of the token and its subject."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[Sequence]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[CreatedAt]


class RoleGrant(Base):
    """A role from its grant to its revocation; the history stays."""

    __tablename__ = "role_grants"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role_is_known"),
        Index("uq_role_grants_active", "user_id", "role", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )

    id: Mapped[Sequence]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    role: Mapped[str]
    granted_at: Mapped[CreatedAt]
    granted_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    notes: Mapped[str | None]
