"""Who is notified of an event, and what it says."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import DomainEvent
from loppestars_core.favourites.models import Favourite
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.models import Market
from loppestars_core.notifications.models import Kind
from loppestars_core.photos.models import Photo, PhotoSubject
from loppestars_core.privacy.models import ErasureRequest
from loppestars_core.privacy.requests import ERASURE_LINK, ERASURE_WARNING

# Changes of these make it another trip; one of the other fields does not.
_MOVED: Final = frozenset({"start_date", "end_date", "address", "city", "postal_code"})
# Whoever waits for a photo sees the result; a message is for those whose app gave up.
_PHOTO_WAIT: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Notice:
    """What one person is notified of; `leaves` is false for what is only listed in the app."""

    user_id: str
    kind: Kind
    payload: dict[str, Any] = field(default_factory=dict)
    leaves: bool = True


async def recipients(session: AsyncSession, event: DomainEvent, base_url: str) -> list[Notice]:
    """Return who is notified of an event; an empty list for those that concern no one."""
    if kind := _OF_FAVOURITES.get(event.event):
        return await _of_favourites(session, event, kind)
    if rule := _RULES.get(event.event):
        return await rule(session, event)
    if event.event == ERASURE_WARNING:
        return [Notice(event.subject_id, Kind.ERASURE_WARNING, event.payload)]
    if event.event != ERASURE_LINK:
        return []
    # The code in the link is read when it is sent and is not in the event, which outlives it.
    asked = (
        select(ErasureRequest.id)
        .where(ErasureRequest.user_id == event.subject_id, ErasureRequest.confirmed_at.is_(None))
        .order_by(ErasureRequest.requested_at.desc())
        .limit(1)
    )
    request = (await session.execute(asked)).scalar_one_or_none()
    if request is None:
        return []
    return [Notice(event.subject_id, Kind.ERASURE_LINK, {"request": str(request), "base_url": base_url})]


async def _of_favourites(session: AsyncSession, event: DomainEvent, kind: Kind) -> list[Notice]:
    if kind is Kind.MARKET_MOVED and not _MOVED & set(event.payload.get("fields", ())):
        return []
    market_id = UUID(event.subject_id)
    market = (await session.execute(select(Market).where(Market.id == market_id))).scalar_one_or_none()
    if market is None or market.end_date < today_in_denmark():
        return []
    first, last = market.start_date.isoformat(), market.end_date.isoformat()
    payload = {
        "market_id": str(market_id),
        "name": market.name,
        "dates": first if first == last else f"{first} / {last}",
        "place": ", ".join(part for part in (market.address, market.postal_code, market.city) if part) or "…",
    }
    keeping = select(Favourite.user_id).where(Favourite.market_id == market_id).order_by(Favourite.user_id)
    return [Notice(user_id, kind, payload) for user_id in (await session.execute(keeping)).scalars()]


async def _of_photo(session: AsyncSession, event: DomainEvent) -> list[Notice]:
    found = select(Photo).where(Photo.id == UUID(event.subject_id), Photo.subject == PhotoSubject.RATING)
    photo = (await session.execute(found)).scalar_one_or_none()
    if photo is None or photo.owner_id is None or photo.finished_at is None:
        return []
    late = photo.finished_at - photo.created_at > _PHOTO_WAIT
    return [Notice(photo.owner_id, Kind.PHOTO_READY, {"photo_id": str(photo.id)}, leaves=late)]


async def _of_claim(session: AsyncSession, event: DomainEvent) -> list[Notice]:
    market_id = str(event.payload.get("market_id"))
    name = select(Market.name).where(Market.id == UUID(market_id))
    found = (await session.execute(name)).scalar_one_or_none()
    payload = {"market_id": market_id, "name": found or "…", "state": event.event.removeprefix("user.claim_")}
    return [Notice(event.subject_id, Kind.CLAIM_DECIDED, payload)]


_OF_FAVOURITES: Final[Mapping[str, Kind]] = {
    "market.cancelled": Kind.MARKET_CANCELLED,
    "market.postponed": Kind.MARKET_CANCELLED,
    "market.vanished": Kind.MARKET_VANISHED,
    "market.changed": Kind.MARKET_MOVED,
}
_RULES: Final[Mapping[str, Callable[[AsyncSession, DomainEvent], Awaitable[list[Notice]]]]] = {
    "photo.completed": _of_photo,
    "photo.no_faces": _of_photo,
    "user.claim_granted": _of_claim,
    "user.claim_refused": _of_claim,
    "user.claim_revoked": _of_claim,
}
