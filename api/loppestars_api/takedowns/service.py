"""Requests to take photos down: from whoever is pictured, decided by moderators."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from loppestars_api.state import AppState
from loppestars_api.takedowns.schemas import Decision, TakedownRecord, TakedownRequest
from loppestars_api.web.errors import Conflict, NotFound
from loppestars_core.database.engine import sessions
from loppestars_core.photos.takedown import (
    OpenTakedown,
    TakedownDecided,
    decide_takedown,
    open_takedowns,
    photo_of_object,
    request_takedown,
)

NO_SUCH_PHOTO: Final = "There is no such published photo."
_LINK_VALID: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class TakedownService:
    """What may be done about photos that a person wants to be gone."""

    state: AppState

    async def request(self, photo_id: UUID, asked: TakedownRequest) -> None:
        """Hide a photo until it is decided about. Raise `NotFound`."""
        async with sessions(self.state.engine).begin() as session:
            known = await request_takedown(
                session, photo_id, reason=asked.reason or None, contact=asked.contact or None
            )
        if not known:
            raise NotFound(NO_SUCH_PHOTO)

    async def request_by_url(self, url: str, asked: TakedownRequest) -> None:
        """Hide the photo that is published under an address. Raise `NotFound`."""
        bucket = self.state.settings.processed_bucket
        key = unquote(urlsplit(url).path.partition(f"/{bucket}/")[2])
        photo_id = None
        if key and "\x00" not in key:
            async with sessions(self.state.engine)() as session:
                photo_id = await photo_of_object(session, bucket, key)
        if photo_id is None:
            raise NotFound(NO_SUCH_PHOTO)
        await self.request(photo_id, asked)

    async def waiting(self, limit: int, offset: int) -> list[TakedownRecord]:
        """Return what waits for a decision, the oldest first."""
        async with sessions(self.state.engine)() as session:
            found = await open_takedowns(session, limit=limit, offset=offset)
        return [await self._record(item) for item in found]

    async def decide(self, takedown_id: UUID, decision: Decision, moderator: str) -> None:
        """Confirm or restore; the photo's bytes go before it is written down that they are gone."""
        try:
            async with sessions(self.state.engine).begin() as session:
                objects = await decide_takedown(
                    session,
                    takedown_id,
                    confirm=decision.decision == "confirm",
                    moderator=moderator,
                    note=decision.note or None,
                )
                for bucket, key in objects or ():
                    await self.state.storage.delete(bucket, key)
        except TakedownDecided:
            raise Conflict("This request has been decided before.") from None
        if objects is None:
            raise NotFound("There is no such request.")

    async def _record(self, item: OpenTakedown) -> TakedownRecord:
        takedown, link = item.takedown, None
        if item.bucket is not None and item.key is not None:
            link = await self.state.storage.signed_url(item.bucket, item.key, _LINK_VALID)
        return TakedownRecord(
            id=takedown.id,
            photo_id=takedown.photo_id,
            photo_url=link,
            reason=takedown.reason,
            contact=takedown.contact,
            created_at=takedown.created_at,
        )
