"""A person's own account: state, consents, their copy, and the request to be forgotten."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.people.schemas import ConsentChange, ConsentRecord, ErasureState, Me
from loppestars_api.state import AppState
from loppestars_api.web.errors import NotFound
from loppestars_core.accounts.models import User
from loppestars_core.accounts.roles import active_roles
from loppestars_core.database.access import AccessRole, Actor, act_as
from loppestars_core.database.engine import sessions
from loppestars_core.privacy.archive import archive_person
from loppestars_core.privacy.consents import current_consents, record_consent
from loppestars_core.privacy.export import UserNotFound, check_person
from loppestars_core.privacy.models import Channel, ConsentKind
from loppestars_core.privacy.requests import (
    RequestState,
    ask_by_email,
    cancel_erasure,
    confirm_request,
    note_request,
    request_by_identity,
    request_erasure,
    request_state,
)
from loppestars_core.tables import Base

LINK_VALID: Final = timedelta(days=1)
_LINKS_APART: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PeopleService:
    """What people may do with their own data."""

    state: AppState

    @property
    def grace(self) -> timedelta:
        """Time from the request to be forgotten until it is carried out."""
        return timedelta(days=self.state.settings.erasure_grace_days)

    async def me(self, user_id: str) -> Me:
        """Return the account of a user."""
        async with self._acting(user_id) as session:
            return await self._account(session, user_id)

    async def forget(self, user_id: str) -> Me:
        """Ask for the user to be forgotten; once more changes nothing."""
        async with sessions(self.state.engine).begin() as session:
            account = await self._account(session, user_id)
            if account.erasure is None:
                await note_request(session, user_id, Channel.APP, confirmed=True)
                await request_erasure(session, user_id, actor_id=user_id, channel=Channel.APP)
            return await self._account(session, user_id)

    async def stay(self, user_id: str) -> Me:
        """Take the request back, if there is one."""
        async with sessions(self.state.engine).begin() as session:
            await cancel_erasure(session, user_id, actor_id=user_id)
            return await self._account(session, user_id)

    async def consent(self, user_id: str, kind: ConsentKind, change: ConsentChange) -> Me:
        """Write a consent, or its withdrawal, down."""
        async with self._acting(user_id) as session:
            await record_consent(session, user_id, kind, change.version, given=change.given)
            return await self._account(session, user_id)

    async def export(self, user_id: str) -> AsyncIterator[bytes]:
        """Return the bytes of a person's copy; that it is given out is in the audit log."""
        settings = self.state.settings
        try:
            async with sessions(self.state.engine).begin() as session:
                await check_person(session, user_id, actor_id=user_id)
        except UserNotFound:
            raise NotFound("There is no such account.") from None
        buckets = (settings.originals_bucket, settings.processed_bucket)
        return archive_person(self.state.engine, Base.metadata.tables, self.state.storage, buckets, user_id)

    async def ask_by_email(self, email: str) -> None:
        """Have a link sent to the accounts of an address, if there are any."""
        async with sessions(self.state.engine).begin() as session:
            await ask_by_email(session, email, younger_than=_LINKS_APART)

    async def request(self, code: str) -> RequestState | None:
        """Return where a request stands."""
        async with sessions(self.state.engine)() as session:
            return await request_state(session, code)

    async def confirm(self, code: str) -> bool:
        """Carry out what a link asks for; False for an old or used one."""
        async with sessions(self.state.engine).begin() as session:
            return await confirm_request(session, code, valid_for=LINK_VALID)

    async def forget_identity(self, provider: str, subject: str) -> str:
        """Ask for whoever signs in like this to be forgotten, and return the code of the request."""
        async with sessions(self.state.engine).begin() as session:
            return await request_by_identity(session, provider, subject, Channel.FACEBOOK)

    @asynccontextmanager
    async def _acting(self, user_id: str) -> AsyncIterator[AsyncSession]:
        async with sessions(self.state.engine).begin() as session:
            await act_as(session, Actor(AccessRole.USER, user_id))
            yield session

    async def _account(self, session: AsyncSession, user_id: str) -> Me:
        found = select(User).where(User.id == user_id).execution_options(populate_existing=True)
        user = (await session.execute(found)).scalar_one()
        asked = user.deleted_at
        return Me(
            id=user.id,
            email=user.email,
            created_at=user.created_at,
            roles=sorted(await active_roles(session, user_id)),
            consents=[ConsentRecord.model_validate(row) for row in await current_consents(session, user_id)],
            erasure=None if asked is None else ErasureState(requested_at=asked, due_at=asked + self.grace),
        )
