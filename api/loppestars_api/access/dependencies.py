"""Who is calling, for routes: `Caller` takes anyone, `requires(scope)` those who may."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.contextvars import bind_contextvars

from loppestars_api.access.limits.client_address import ClientAddresses
from loppestars_api.access.limits.gcra import ExactLimiter
from loppestars_api.access.limits.rates import Rates
from loppestars_api.access.limits.requests import RequestLimiter
from loppestars_api.access.own_tokens import OwnTokens, own_tokens
from loppestars_api.access.principal import Principal, Scope, anonymous, signed_in
from loppestars_api.access.tokens import Identity, SessionEnded, TokenRefused, TokenVerifier
from loppestars_api.state import AppState, repeating, within
from loppestars_api.web.errors import Forbidden, NotAuthenticated, Unavailable
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.users import Account, SubjectOfAnotherIssuer, sign_in
from loppestars_core.database.engine import sessions
from loppestars_core.kit.logging import pseudonym
from loppestars_core.sign_in.issuer_keys import KeysUnavailable
from loppestars_core.sign_in.sessions import account_of

_KEYS_RETRY_SECONDS: Final = 10
SIGN_IN_SECONDS: Final = 10.0
_SWEEP_SECONDS: Final = 60.0

# Tells the documentation about the scheme; reading the header is ours, because its errors are not the contract's.
_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token of the configured issuer.")


@dataclass(frozen=True, slots=True)
class Access:
    """Tokens, accounts and limits of the running API."""

    verifier: TokenVerifier
    own: OwnTokens | None
    sessions: async_sessionmaker[AsyncSession]
    tied: bool
    addresses: ClientAddresses
    rates: Rates
    limiter: ExactLimiter
    requests: RequestLimiter

    async def signed_in(self, token: str, *, leaving: bool = False) -> Principal:
        """Return the user of a token; one who asked to be forgotten only with `leaving`.

        Raise `TokenRefused` or `KeysUnavailable`.
        """
        identity = await self.verifier.verify(token)
        try:
            account = await within(SIGN_IN_SECONDS, self._account_of(identity))
        except SubjectOfAnotherIssuer:
            raise TokenRefused("This user signs in by another issuer.") from None
        if account.deleted and not leaving:
            raise TokenRefused("The account of this token has been deleted.")
        bind_contextvars(user_id=pseudonym(identity.subject))
        admin = Role.ADMIN in identity.roles | account.roles
        return signed_in(identity.subject, admin=admin, session_id=identity.session_id)

    async def _account_of(self, identity: Identity) -> Account:
        async with self.sessions.begin() as session:
            if identity.session_id is None:
                return await sign_in(session, identity.subject, identity.issuer, tied=self.tied)
            account = await account_of(session, identity.session_id, identity.subject)
        if account is None:
            raise SessionEnded("The session of this token has ended.")
        return account


@asynccontextmanager
async def open_access(state: AppState) -> AsyncIterator[Access]:
    """Open what routes need to know their callers, and forget limits that no longer matter."""
    rates = Rates.of(state.settings)
    limiter = ExactLimiter(state.engine)
    own = own_tokens(state.settings)
    async with repeating(_SWEEP_SECONDS, limiter.sweep):
        yield Access(
            verifier=TokenVerifier(state.settings, own),
            own=own,
            sessions=sessions(state.engine),
            tied=state.settings.issuers_differ,
            addresses=ClientAddresses(state.settings.trusted_proxies),
            rates=rates,
            limiter=limiter,
            requests=RequestLimiter(rates.requests, limiter),
        )


async def access_of(request: Request) -> Access:
    """Return what the running API knows callers by."""
    found: Access = request.app.state.access
    return found


AccessControl = Annotated[Access, Depends(access_of)]


async def identify(
    request: Request,
    access: AccessControl,
    documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,  # noqa: ARG001 - see there
) -> Principal:
    """Return the caller of this request. A token that is not accepted is a 401, also where none would be needed."""
    return await _identified(request, access, leaving=False)


async def identify_person(
    request: Request,
    access: AccessControl,
    documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,  # noqa: ARG001 - see there
) -> Principal:
    """Return the user of this request, also one who asked to be forgotten: they may change their mind."""
    caller = await _identified(request, access, leaving=True)
    if caller.anonymous:
        raise NotAuthenticated
    return caller


async def _identified(request: Request, access: Access, *, leaving: bool) -> Principal:
    address = access.addresses.key_of(request.scope)
    header = request.headers.get("authorization")
    if header is None:
        return anonymous(address)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The Authorization header must be 'Bearer <token>'.")
    try:
        return await access.signed_in(token.strip(), leaving=leaving)
    except TokenRefused as refusal:
        # Only those who are refused have to wait: many share an address, and one of them must not lock the others out.
        await access.limiter.take(access.rates.auth_failures, address)
        raise NotAuthenticated(str(refusal)) from None
    except KeysUnavailable:
        raise Unavailable("The issuer of tokens does not answer at the moment.", _KEYS_RETRY_SECONDS) from None


Caller = Annotated[Principal, Depends(identify)]
Person = Annotated[Principal, Depends(identify_person)]


async def signed_in_only(caller: Caller) -> Principal:
    """Return the user of this request."""
    if caller.anonymous:
        raise NotAuthenticated
    return caller


User = Annotated[Principal, Depends(signed_in_only)]


def requires(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    """Return a dependency that lets through callers with `scope`."""

    async def check(caller: Caller) -> Principal:
        if caller.anonymous:
            raise NotAuthenticated
        if scope not in caller.scopes:
            raise Forbidden("This needs the admin role.")
        return caller

    return check
