"""Send what is due. Each person, or device, is one transaction: a worker that dies leaves it to the next.

A message may then be sent twice: it has the same Message-ID, or topic, as the first time.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.models import User
from loppestars_core.database.engine import sessions
from loppestars_core.notifications.messages import Message, message
from loppestars_core.notifications.models import Channel, Delivery, DeliveryState, Kind, Notification, PushSubscription
from loppestars_core.notifications.store import preferences_of
from loppestars_core.privacy.models import ErasureRequest
from loppestars_jobs.metrics import DELIVERIES
from loppestars_jobs.notifying.mail import MailNotSent, MailRefused, MailServer, compose
from loppestars_jobs.notifying.push import DeviceGone, PushNotSent, PushSender, is_push_service

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 6
_FIRST_WAIT: Final = timedelta(minutes=1)
_MAX_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery with what it says."""

    delivery: Delivery
    notification: Notification


@dataclass(frozen=True, slots=True)
class Senders:
    """How messages leave; without a server or key that channel's deliveries wait."""

    mail: MailServer | None
    mail_from: str
    push: PushSender | None
    push_hosts: tuple[str, ...]


async def deliver(engine: AsyncEngine, senders: Senders) -> int:
    """Send all that is due by channels that are configured; return how many notifications left."""
    count = 0
    for channel, sender in ((Channel.EMAIL, senders.mail), (Channel.PUSH, senders.push)):
        if sender is None:
            continue
        while True:
            async with sessions(engine).begin() as session:
                due = await _due(session, channel)
                if not due:
                    break
                await (_send_mail if channel is Channel.EMAIL else _send_push)(session, due, senders)
            count += len(due)
    return count


async def _due(session: AsyncSession, channel: Channel) -> list[Due]:
    """Return what is due for one person by e-mail, or one delivery by push, locked for the transaction."""
    waiting = (
        select(Delivery, Notification)
        .join(Notification, Notification.id == Delivery.notification_id)
        .where(Delivery.state == DeliveryState.PENDING, Delivery.channel == channel, Delivery.due_at <= func.now())
        .order_by(Delivery.due_at, Delivery.id)
        .with_for_update(skip_locked=True, of=Delivery)
        .execution_options(populate_existing=True)
    )
    first = [Due(*row) for row in (await session.execute(waiting.limit(1))).all()]
    if not first or channel is Channel.PUSH:
        return first
    theirs = waiting.where(Notification.user_id == first[0].notification.user_id).limit(_MAX_AT_ONCE)
    return [Due(*row) for row in (await session.execute(theirs)).all()]


async def _send_mail(session: AsyncSession, due: Sequence[Due], senders: Senders) -> None:
    user_id = due[0].notification.user_id
    address = (await session.execute(select(User.email).where(User.id == user_id))).scalar_one_or_none()
    language = (await preferences_of(session, user_id)).language
    said = [await _message(session, item.notification, language) for item in due]
    known = [words for words in said if words is not None]
    if address is None or not known or senders.mail is None:
        await _finish(session, due, DeliveryState.FAILED, "no address, or nothing to say any more")
        return
    content = compose(senders.mail_from, address, known, due[0].delivery.id)
    try:
        await asyncio.to_thread(senders.mail.send, content)
    except MailRefused as error:
        await _finish(session, due, DeliveryState.FAILED, str(error))
    except MailNotSent as error:
        await _later(session, due, str(error))
    else:
        await _finish(session, due, DeliveryState.SENT)


async def _send_push(session: AsyncSession, due: Sequence[Due], senders: Senders) -> None:
    item = due[0]
    found = select(PushSubscription).where(PushSubscription.id == item.delivery.subscription_id)
    device = (await session.execute(found)).scalar_one_or_none()
    language = (await preferences_of(session, item.notification.user_id)).language
    words = await _message(session, item.notification, language)
    allowed = device is not None and is_push_service(device.endpoint, senders.push_hosts)
    if device is None or words is None or senders.push is None or not allowed:
        await _finish(session, due, DeliveryState.FAILED, "no device, or nothing to say any more")
        return
    content = {"title": words.title, "body": words.text, "why": words.why, "id": str(item.notification.id)}
    try:
        await asyncio.to_thread(senders.push.send, device, content, item.notification.id.hex)
    except DeviceGone:
        await session.execute(delete(PushSubscription).where(PushSubscription.id == device.id))
        DELIVERIES.labels(Channel.PUSH, "gone").inc()
    except PushNotSent as error:
        await _later(session, due, str(error))
    else:
        await _finish(session, due, DeliveryState.SENT)


async def _message(session: AsyncSession, notification: Notification, language: str) -> Message | None:
    """Return what a notification says; None for a link that was used or has been replaced meanwhile."""
    payload, kind = dict(notification.payload), Kind(notification.kind)
    if kind is Kind.ERASURE_LINK:
        code = select(ErasureRequest.code).where(
            ErasureRequest.id == uuid.UUID(payload["request"]), ErasureRequest.confirmed_at.is_(None)
        )
        found = (await session.execute(code)).scalar_one_or_none()
        if found is None:
            return None
        payload["link"] = f"{payload['base_url'].rstrip('/')}/privacy/requests/{found}"
    return message(kind, payload, language)


async def _finish(session: AsyncSession, due: Sequence[Due], state: DeliveryState, error: str | None = None) -> None:
    ids = [item.delivery.id for item in due]
    sent = func.now() if state is DeliveryState.SENT else None
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids))
        .values(state=state, error=error, sent_at=sent, attempts=Delivery.attempts + 1)
    )
    DELIVERIES.labels(due[0].delivery.channel, state).inc(len(due))
    if error:
        log.warning("notification_not_delivered", channel=due[0].delivery.channel, reason=error)


async def _later(session: AsyncSession, due: Sequence[Due], error: str) -> None:
    """Try again after 1, 2, 4 … minutes; after the last attempt it has failed."""
    attempt = max(item.delivery.attempts for item in due) + 1
    if attempt >= MAX_ATTEMPTS:
        await _finish(session, due, DeliveryState.FAILED, error)
        return
    wait = _FIRST_WAIT * 2 ** (attempt - 1)
    ids = [item.delivery.id for item in due]
    await session.execute(
        update(Delivery).where(Delivery.id.in_(ids)).values(attempts=attempt, error=error, due_at=func.now() + wait)
    )
    DELIVERIES.labels(due[0].delivery.channel, "later").inc(len(due))
    log.warning("notification_postponed", channel=due[0].delivery.channel, reason=error, attempt=attempt)
