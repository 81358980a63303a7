"""Signing in, refreshing and signing out: from a request that has been understood to what is answered."""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from loppestars_api.access.dependencies import Access
from loppestars_api.access.own_tokens import ISSUER_PATH, OwnTokens
from loppestars_api.access.principal import Principal
from loppestars_api.settings import ApiSettings
from loppestars_api.state import within
from loppestars_api.supabase.auth.answers import Pair, token_claims, user_document
from loppestars_api.supabase.errors import DialectError
from loppestars_api.web.errors import Unavailable
from loppestars_core.accounts.models import Session
from loppestars_core.database.access import SYSTEM, AccessRole, Actor, act_as
from loppestars_core.sign_in import people, sessions, sign_ins
from loppestars_core.sign_in.openid import ProviderClient, ProviderUnavailable, SignInRefused
from loppestars_core.sign_in.people import MAX_DATA_BYTES, DataTooLarge, Person
from loppestars_core.sign_in.redirects import RedirectNotRegistered, Redirects, with_answer
from loppestars_core.sign_in.refresh_tokens import RefreshTokens, Use
from loppestars_core.sign_in.sign_ins import Begun, Challenge

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

DATABASE_SECONDS: Final = 8.0
_RETRY_SECONDS: Final = 5
_AWAY: Final = "The provider does not answer at the moment."


class SignInService:
    """The sign-in of this installation."""

    def __init__(self, access: Access, settings: ApiSettings, own: OwnTokens) -> None:
        self._access = access
        self._own = own
        self._seconds = settings.auth_token_seconds
        self._tokens = RefreshTokens([secret.get_secret_value() for secret in settings.auth_session_secrets])
        self._redirects = Redirects(settings.auth_redirects)
        callback = f"{str(settings.public_url).rstrip('/')}{ISSUER_PATH}/callback"
        timeout = settings.auth_provider_timeout_seconds
        self._clients = {
            provider.name: ProviderClient(provider, callback, timeout=timeout)
            for provider in settings.sign_in_providers
        }

    @property
    def provider_names(self) -> list[str]:
        return list(self._clients)

    async def begin(
        self, provider: str, redirect_to: str | None, challenge: Challenge | None, hints: Mapping[str, str]
    ) -> str:
        """Return the address of the provider's page, where a person goes next."""
        client = self._client(provider)
        try:
            address = self._redirects.resolve(redirect_to)
        except RedirectNotRegistered as refusal:
            raise _invalid(f"redirect_to: {refusal}") from None
        begun = await self._in_transaction(lambda session: sign_ins.begin(session, provider, address, challenge))
        try:
            return await client.authorization_url(str(begun.id), begun.nonce, begun.verifier, hints)
        except ProviderUnavailable:
            raise Unavailable(_AWAY, _RETRY_SECONDS) from None

    async def finish(self, state: str, code: str, error: str, user_agent: str | None) -> str:
        """Return the address of the app with what came of a sign-in; raise where it is not known which one this is."""
        begun = await self._taken(state)
        if begun is None or begun.provider not in self._clients:
            raise DialectError(
                HTTPStatus.BAD_REQUEST, "bad_oauth_state", "OAuth state is unknown, was used before or is too old"
            )
        if error or not code:
            reason = error or "The provider sent no code."
            return _with_error(begun.redirect_to, "access_denied", "bad_oauth_callback", reason)
        try:
            person = await self._clients[begun.provider].person(code, begun.nonce, begun.verifier)
            return await self._in_transaction(lambda session: self._returned(session, begun, person, user_agent))
        except SignInRefused as refusal:
            return _with_error(begun.redirect_to, "access_denied", "bad_oauth_callback", str(refusal))
        except ProviderUnavailable:
            return _with_error(begun.redirect_to, "temporarily_unavailable", "unexpected_failure", _AWAY)

    async def exchange(self, code: str, verifier: str, user_agent: str | None) -> dict[str, Any]:
        """Return the session of a code."""

        async def work(session: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a session of the database
            granted = await sign_ins.exchange(session, code, verifier)
            if granted is None:
                return None
            return await self._start(session, granted.user_id, granted.provider, user_agent)

        started = await self._in_transaction(work)
        if started is None:
            message = "invalid flow state, no valid flow state found: the code is unknown, used or of another verifier"
            raise DialectError(HTTPStatus.BAD_REQUEST, "flow_state_not_found", message)
        return started

    async def sign_in_by_token(
        self, provider: str, id_token: str, nonce: str | None, user_agent: str | None
    ) -> dict[str, Any]:
        """Return the session of a person whom an identity token of the provider names."""
        client = self._client(provider)
        try:
            person = await client.person_of(id_token, nonce)
        except SignInRefused as refusal:
            raise DialectError(HTTPStatus.BAD_REQUEST, "bad_jwt", str(refusal)) from None
        except ProviderUnavailable:
            raise Unavailable(_AWAY, _RETRY_SECONDS) from None

        async def work(session: Any) -> dict[str, Any]:  # noqa: ANN401 - a session of the database
            user = await people.recognise(session, person)
            return await self._start(session, user.id, provider, user_agent)

        return await self._in_transaction(work)

    async def refresh(self, text: str) -> dict[str, Any]:
        """Return the next pair of a session, or its current one again, as the rules of refreshing say."""
        token = self._tokens.read(text)
        if token is None:
            raise _not_found()

        async def work(session: Any) -> tuple[Use | None, dict[str, Any]]:  # noqa: ANN401 - a session of the database
            refreshed = await sessions.refresh_session(session, token)
            if refreshed.session is None or refreshed.use is Use.STALE:
                return refreshed.use, {}
            return refreshed.use, await self._document(session, refreshed.session)

        use, document = await self._in_transaction(work)
        if use is Use.STALE:
            log.warning("refresh_token_reused", session_id=str(token.session_id))
            message = "Invalid Refresh Token: Already Used"
            raise DialectError(HTTPStatus.BAD_REQUEST, "refresh_token_already_used", message)
        if not document:
            raise _not_found()
        return document

    async def user(self, caller: Principal) -> dict[str, Any]:
        """Return the caller as a user."""
        return await self._in_transaction(lambda session: self._user(session, caller.id), _actor(caller))

    async def change_user(self, caller: Principal, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Merge what the caller says of themselves, and return them as a user."""

        async def work(session: Any) -> dict[str, Any]:  # noqa: ANN401 - a session of the database
            try:
                await people.change_data(session, caller.id, changes)
            except DataTooLarge:
                raise _invalid(f"data would have more than {MAX_DATA_BYTES} bytes") from None
            return await self._user(session, caller.id)

        return await self._in_transaction(work, _actor(caller))

    async def sign_out(self, caller: Principal, scope: str) -> None:
        """End the caller's session, all of theirs, or all others."""
        if scope == "local" and caller.session_id is None:
            return
        only = caller.session_id if scope == "local" else None
        others = caller.session_id if scope == "others" else None
        await self._in_transaction(
            lambda session: sessions.end_sessions(session, caller.id, only=only, except_for=others), _actor(caller)
        )

    async def users(self, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Return a page of all users, and how many there are."""

        async def work(session: Any) -> tuple[list[dict[str, Any]], int]:  # noqa: ANN401 - a session of the database
            found, total = await people.list_users(session, limit=limit, offset=offset)
            return [user_document(user, ()) for user in found], total

        return await self._in_transaction(work, Actor(AccessRole.ADMIN))

    def _client(self, provider: str) -> ProviderClient:
        client = self._clients.get(provider)
        if client is None:
            message = f"Unsupported provider: provider is not enabled. Enabled: {', '.join(self._clients) or 'none'}"
            raise DialectError(HTTPStatus.BAD_REQUEST, "provider_disabled", message)
        return client

    async def _taken(self, state: str) -> Begun | None:
        try:
            found = UUID(state)
        except ValueError:
            return None
        return await self._in_transaction(lambda session: sign_ins.take(session, found))

    async def _returned(self, session: Any, begun: Begun, person: Person, user_agent: str | None) -> str:  # noqa: ANN401 - a session of the database
        user = await people.recognise(session, person)
        if begun.challenge is not None:
            code = await sign_ins.grant_code(session, begun.id, user.id)
            return with_answer(begun.redirect_to, query={"code": code})
        document = await self._start(session, user.id, begun.provider, user_agent)
        return with_answer(
            begun.redirect_to, fragment={name: str(value) for name, value in document.items() if name != "user"}
        )

    async def _start(self, session: Any, user_id: str, provider: str, user_agent: str | None) -> dict[str, Any]:  # noqa: ANN401 - a session of the database
        started = await sessions.start_session(session, user_id, provider=provider, user_agent=user_agent)
        return await self._document(session, started)

    async def _document(self, session: Any, held: Session) -> dict[str, Any]:  # noqa: ANN401 - a session of the database
        found = await people.user_with_identities(session, held.user_id)
        if found is None:  # erased in this very moment
            raise _not_found()
        user, identities = found
        now = int(time.time())
        claims = token_claims(
            user, identities, held.id, signed_in_at=held.created_at, issued_at=now, seconds=self._seconds
        )
        pair = Pair(
            access_token=self._own.keys.sign({"iss": self._own.issuer, **claims}),
            refresh_token=self._tokens.derive(held.id, held.counter),
            expires_in=self._seconds,
            expires_at=now + self._seconds,
        )
        return {**pair.document, "user": user_document(user, identities)}

    async def _user(self, session: Any, user_id: str) -> dict[str, Any]:  # noqa: ANN401 - a session of the database
        found = await people.user_with_identities(session, user_id)
        if found is None:
            raise DialectError(HTTPStatus.FORBIDDEN, "user_not_found", "User from sub claim in JWT does not exist")
        return user_document(*found)

    async def _in_transaction(self, work: Callable[[Any], Awaitable[Result]], actor: Actor = SYSTEM) -> Result:
        async def carry_out() -> Result:
            async with self._access.sessions.begin() as session:
                await act_as(session, actor)
                return await work(session)

        return await within(DATABASE_SECONDS, carry_out())


def _actor(caller: Principal) -> Actor:
    return Actor(AccessRole.USER, caller.id)


def _invalid(message: str) -> DialectError:
    return DialectError(HTTPStatus.BAD_REQUEST, "validation_failed", message)


def _not_found() -> DialectError:
    message = "Invalid Refresh Token: Refresh Token Not Found"
    return DialectError(HTTPStatus.BAD_REQUEST, "refresh_token_not_found", message)


def _with_error(address: str, error: str, code: str, description: str) -> str:
    answer = {"error": error, "error_code": code, "error_description": description[:300]}
    return with_answer(address, query=answer, fragment=answer)
