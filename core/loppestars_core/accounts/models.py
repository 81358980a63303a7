"""Users, how they sign in, and the roles they hold."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.role import Role
from loppestars_core.database.base import Base, CreatedAt, Document, Sequence, UuidKey, one_of


class User(Base):
    """A person. The id is the subject of their tokens, which is also the folder of their photos."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("id ~ '^[^/[:cntrl:]]{1,128}$'", name="id_is_a_path_segment"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    """As the provider of their first sign-in gave it; for showing only, it identifies no account."""
    data: Mapped[Document] = mapped_column(server_default=text("'{}'::jsonb"))
    """What the user says of themselves: name, picture, preferences of the app."""
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
    """When the user asked to be forgotten; their data goes after the time of grace."""
    erasure_warned: Mapped[int | None]
    """How many days before their erasure the user was last warned."""
    legal_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    """Nothing of this user is erased while it is set."""


class Identity(Base):
    """One way in which a user signs in: the issuer of the token and its subject."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[Sequence]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    provider: Mapped[str | None]
    """Name of the configured provider; None for identities that only a token named."""
    data: Mapped[Document | None]
    """The provider's claims that are shown to the user."""
    last_sign_in_at: Mapped[datetime | None]
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


class Session(Base):
    """A sign-in on one device. Refresh tokens derive from its id and counter; none is stored."""

    __tablename__ = "sessions"

    id: Mapped[UuidKey]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    provider: Mapped[str | None]
    counter: Mapped[int] = mapped_column(server_default=text("0"))
    """Number of the active refresh token; its parent is answered with the current pair again, any older one ends it."""
    user_agent: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    refreshed_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class SignIn(Base):
    """A sign-in on its way: between `authorize`, the provider's answer and the exchange of the code."""

    __tablename__ = "sign_ins"

    id: Mapped[UuidKey]
    """The state that goes to the provider and comes back."""
    provider: Mapped[str]
    redirect_to: Mapped[str]
    code_challenge: Mapped[str | None]
    code_challenge_method: Mapped[str | None]
    nonce: Mapped[str | None]
    verifier: Mapped[str | None]
    """Our own PKCE verifier towards the provider."""
    code_hash: Mapped[str | None] = mapped_column(unique=True)
    """Of the code that the app exchanges, once."""
    user_id: Mapped[str | None] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey(Session.id, ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    used_at: Mapped[datetime | None]
