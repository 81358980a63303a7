"""Read events and write down who is notified: position, notifications and deliveries in one transaction.

Killed at any moment, a batch is done whole or not at all; an event that is read once more finds its notifications
written.
"""

import uuid
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.models import User
from loppestars_core.database.engine import sessions
from loppestars_core.events.models import DomainEvent
from loppestars_core.kit.clock import now_utc
from loppestars_core.notifications.models import Channel, Delivery, Notification, PushSubscription
from loppestars_core.notifications.reading import advance, lock_position, next_events
from loppestars_core.notifications.store import preferences_of
from loppestars_core.notifications.timing import due_at
from loppestars_jobs.notifying.recipients import Notice, recipients

READER: Final = "notifications"
_BATCH: Final = 200


async def read_events(engine: AsyncEngine, base_url: str) -> int:
    """Read all events that are there; return how many."""
    count = 0
    while True:
        async with sessions(engine).begin() as session:
            position = await lock_position(session, READER)
            events = await next_events(session, position, _BATCH)
            if not events:
                return count
            for event in events:
                for notice in await recipients(session, event, base_url):
                    await _notify(session, event, notice)
            await advance(session, READER, events[-1])
        count += len(events)


async def _notify(session: AsyncSession, event: DomainEvent, notice: Notice) -> None:
    """Write a notification and its deliveries, unless they are written or the person is gone."""
    # Held against an erasure that runs at this moment.
    person = select(User.email).where(User.id == notice.user_id).with_for_update(read=True, key_share=True)
    found = (await session.execute(person)).one_or_none()
    if found is None:
        return
    made = await session.execute(
        insert(Notification)
        .values(id=uuid.uuid4(), user_id=notice.user_id, event_id=event.id, kind=notice.kind, payload=notice.payload)
        .on_conflict_do_nothing()
        .returning(Notification.id)
    )
    notification = made.scalar_one_or_none()
    if notification is None or not notice.leaves:
        return
    rows = await _deliveries(session, notice, has_address=found.email is not None)
    if rows:
        await session.execute(insert(Delivery).values([row | {"notification_id": notification} for row in rows]))


async def _deliveries(session: AsyncSession, notice: Notice, *, has_address: bool) -> Sequence[dict[str, object]]:
    preferences = await preferences_of(session, notice.user_id)
    rows: list[dict[str, object]] = []
    if has_address and preferences.wants(notice.kind, Channel.EMAIL):
        rows.append({"channel": Channel.EMAIL, "subscription_id": None})
    if preferences.wants(notice.kind, Channel.PUSH):
        devices = select(PushSubscription.id).where(PushSubscription.user_id == notice.user_id)
        found = (await session.execute(devices)).scalars()
        rows += [{"channel": Channel.PUSH, "subscription_id": device} for device in found]
    now = now_utc()
    return [
        {"id": uuid.uuid4(), "due_at": due_at(preferences, notice.kind, Channel(str(row["channel"])), now), **row}
        for row in rows
    ]
