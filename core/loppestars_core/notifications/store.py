"""Notifications of one person: listed, marked as read, and how they want them."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.notifications.models import Digest, Notification, NotificationPreferences, PushSubscription
from loppestars_core.notifications.timing import Preferences


async def notifications_of(
    session: AsyncSession, user_id: str, *, unread: bool, limit: int, offset: int
) -> Sequence[Notification]:
    """Return a page of a person's notifications, the newest first."""
    found = select(Notification).where(Notification.user_id == user_id)
    if unread:
        found = found.where(Notification.read_at.is_(None))
    page = found.order_by(Notification.created_at.desc(), Notification.id).limit(limit).offset(offset)
    return (await session.execute(page)).scalars().all()


async def count_unread(session: AsyncSession, user_id: str) -> int:
    """Return how many notifications a person has not read."""
    unread = (Notification.user_id == user_id, Notification.read_at.is_(None))
    return (await session.execute(select(func.count()).select_from(Notification).where(*unread))).scalar_one()


async def mark_read(session: AsyncSession, user_id: str, ids: Sequence[uuid.UUID] | None) -> None:
    """Mark these notifications of a person as read, or all of them; the first time counts."""
    theirs = update(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    if ids is not None:
        theirs = theirs.where(Notification.id.in_(ids))
    await session.execute(theirs.values(read_at=func.now()))


async def preferences_of(session: AsyncSession, user_id: str) -> Preferences:
    """Return the notification preferences of a person."""
    found = select(NotificationPreferences).where(NotificationPreferences.user_id == user_id)
    row = (await session.execute(found)).scalar_one_or_none()
    if row is None:
        return Preferences()
    return Preferences(
        language=row.language,
        email=row.email,
        push=row.push,
        digest=Digest(row.digest),
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        muted=frozenset(row.muted),
    )


async def set_preferences(session: AsyncSession, user_id: str, values: dict[str, Any]) -> None:
    """Store the notification preferences of a person."""
    statement = insert(NotificationPreferences).values(user_id=user_id, **values)
    await session.execute(
        statement.on_conflict_do_update(index_elements=[NotificationPreferences.user_id], set_=values)
    )


async def subscribe(session: AsyncSession, user_id: str, endpoint: str, p256dh: str, auth: str) -> None:
    """Keep a device; one that another account used before now belongs to this one."""
    values = {"user_id": user_id, "p256dh": p256dh, "auth": auth}
    statement = insert(PushSubscription).values(id=uuid.uuid4(), endpoint=endpoint, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=[PushSubscription.endpoint], set_=values))


async def unsubscribe(session: AsyncSession, user_id: str, endpoint: str) -> None:
    """Forget a device of a person."""
    theirs = (PushSubscription.user_id == user_id, PushSubscription.endpoint == endpoint)
    await session.execute(delete(PushSubscription).where(*theirs))
