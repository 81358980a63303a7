"""A person's notifications: listed, marked as read, and how they want them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.notifications.schemas import (
    NotificationList,
    NotificationRecord,
    PreferencesBody,
    ReadMarks,
    Subscription,
)
from loppestars_api.state import AppState
from loppestars_api.web.errors import Unprocessable
from loppestars_core.database.access import AccessRole, Actor, act_as
from loppestars_core.database.engine import sessions
from loppestars_core.notifications.messages import message
from loppestars_core.notifications.models import Kind, Notification
from loppestars_core.notifications.store import (
    count_unread,
    mark_read,
    notifications_of,
    preferences_of,
    set_preferences,
    subscribe,
    unsubscribe,
)


@dataclass(frozen=True, slots=True)
class NotificationService:
    """Notifications of a person."""

    state: AppState

    async def page(self, user_id: str, *, unread: bool, limit: int, offset: int) -> NotificationList:
        """Return a page of notifications in the person's language."""
        async with self._acting(user_id) as session:
            found = await notifications_of(session, user_id, unread=unread, limit=limit, offset=offset)
            count = await count_unread(session, user_id)
            language = (await preferences_of(session, user_id)).language
        return NotificationList(unread=count, notifications=[_record(item, language) for item in found])

    async def mark_read(self, user_id: str, marks: ReadMarks) -> None:
        """Mark notifications as read."""
        async with self._acting(user_id) as session:
            await mark_read(session, user_id, marks.ids)

    async def preferences(self, user_id: str) -> PreferencesBody:
        """Return the person's preferences."""
        async with self._acting(user_id) as session:
            found = await preferences_of(session, user_id)
        return PreferencesBody(**{**asdict(found), "muted": sorted(found.muted)})

    async def prefer(self, user_id: str, wanted: PreferencesBody) -> None:
        """Store the person's preferences."""
        async with self._acting(user_id) as session:
            await set_preferences(session, user_id, wanted.model_dump())

    async def subscribe(self, user_id: str, device: Subscription) -> None:
        """Keep a device. Raise `Unprocessable` for an address that belongs to no push service."""
        host = urlsplit(device.endpoint).hostname or ""
        if not any(fnmatch(host, allowed) for allowed in self.state.settings.push_hosts):
            raise Unprocessable("The endpoint is not one of a known push service.")
        # A device may have belonged to another account before: one's own rows would not be enough.
        async with sessions(self.state.engine).begin() as session:
            await subscribe(session, user_id, device.endpoint, device.keys.p256dh, device.keys.auth)

    async def unsubscribe(self, user_id: str, endpoint: str) -> None:
        """Forget a device."""
        async with self._acting(user_id) as session:
            await unsubscribe(session, user_id, endpoint)

    @asynccontextmanager
    async def _acting(self, user_id: str) -> AsyncIterator[AsyncSession]:
        async with sessions(self.state.engine).begin() as session:
            await act_as(session, Actor(AccessRole.USER, user_id))
            yield session


def _record(item: Notification, language: str) -> NotificationRecord:
    payload, kind = item.payload, Kind(item.kind)
    if kind is Kind.ERASURE_LINK:
        # The link itself is for the mailbox: that one can read it proves whose address it is.
        payload = {"link": "…"}
    words = message(kind, payload, language)
    return NotificationRecord(
        id=item.id,
        kind=kind,
        title=words.title,
        text=words.text,
        why=words.why,
        payload=payload,
        created_at=item.created_at,
        read_at=item.read_at,
    )
