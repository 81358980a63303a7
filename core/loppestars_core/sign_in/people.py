"""Who a provider says somebody is, and which user that makes them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import Identity, User

MAX_DATA_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Person:
    """What a provider vouches for. The issuer and its subject identify a person; an e-mail address does not."""

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Name, picture and the like, for showing."""


async def recognise(session: AsyncSession, person: Person) -> User:
    """Return the user of a person; make one at their first sign-in.

    Who asked to be forgotten can sign in, or they could not take that back; nothing else accepts their tokens.
    """
    # Two first sign-ins of one person at once make one user.
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    await session.execute(lock, {"name": f"identity {person.issuer} {person.subject}"})
    found = await session.execute(
        select(Identity, User)
        .join(User, User.id == Identity.user_id)
        .where(Identity.issuer == person.issuer, Identity.subject == person.subject)
    )
    row = found.first()
    if row is None:
        user = User(id=str(uuid.uuid4()), email=person.email, data=dict(person.claims))
        session.add(user)
        await session.flush()
        identity = Identity(user_id=user.id, issuer=person.issuer, subject=person.subject)
        session.add(identity)
    else:
        identity, user = row.Identity, row.User
    identity.provider = person.provider
    identity.data = {**person.claims, **({"email": person.email} if person.email else {})}
    identity.last_sign_in_at = func.now()
    if user.email is None:
        user.email = person.email
    user.data = {**person.claims, **user.data}
    await session.flush()
    return user


async def user_with_identities(session: AsyncSession, user_id: str) -> tuple[User, list[Identity]] | None:
    """Return a user, and how they sign in."""
    user = await session.get(User, user_id, populate_existing=True)
    if user is None:
        return None
    found = await session.execute(
        select(Identity)
        .where(Identity.user_id == user_id, Identity.provider.is_not(None))
        .order_by(Identity.created_at, Identity.id)
        .execution_options(populate_existing=True)
    )
    return user, list(found.scalars())


async def list_users(session: AsyncSession, *, limit: int, offset: int) -> tuple[list[User], int]:
    """Return a page of users, the newest first, and how many there are."""
    found = await session.execute(select(User).order_by(User.created_at.desc(), User.id).limit(limit).offset(offset))
    total = await session.execute(select(func.count()).select_from(User))
    return list(found.scalars()), total.scalar_one()


class DataTooLarge(ValueError):
    """What a user says of themselves would become too much."""


async def change_data(session: AsyncSession, user_id: str, changes: Mapping[str, Any]) -> None:
    """Merge what a user says of themselves; a null removes an entry. Raise `DataTooLarge`."""
    user = await session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is not None:
        merged = {**user.data, **changes}
        user.data = {name: value for name, value in merged.items() if value is not None}
        if len(orjson.dumps(user.data)) > MAX_DATA_BYTES:
            raise DataTooLarge
        await session.flush()
