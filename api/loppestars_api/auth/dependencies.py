"""Who is calling, for routes: `Caller` takes anybody, `requires(scope)` takes those who may."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from structlog.contextvars import bind_contextvars

from loppestars_api.auth.jwks import KeysUnavailable
from loppestars_api.auth.principal import Principal, Scope, anonymous, signed_in
from loppestars_api.auth.tokens import TokenRefused
from loppestars_api.errors import Forbidden, NotAuthenticated, Unavailable
from loppestars_api.services import Services, ServicesOf
from loppestars_core.accounts.models import Role

_KEYS_RETRY_SECONDS = 10

# Tells the documentation about the scheme; reading the header is ours, because its errors are not the contract's.
bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token of the configured issuer.")


async def identify(
    request: Request,
    services: ServicesOf,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,
) -> Principal:
    """The caller of this request. A token that is not accepted is a 401, also where none would be needed."""
    address = services.addresses.key_of(request.scope)
    header = request.headers.get("authorization")
    if header is None:
        return anonymous(address)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The Authorization header must be 'Bearer <token>'.")
    try:
        return await _signed_in(services, token.strip())
    except TokenRefused as refusal:
        # Only those who are refused have to wait: many share an address, and one of them must not lock the others out.
        await services.limiter.take(services.rates.auth_failures, address)
        raise NotAuthenticated(str(refusal)) from None
    except KeysUnavailable:
        raise Unavailable("The issuer of tokens does not answer at the moment.", _KEYS_RETRY_SECONDS) from None


async def _signed_in(services: Services, token: str) -> Principal:
    identity = await services.verifier.verify(token)
    account = await services.accounts.sign_in(identity.subject, identity.issuer)
    if account.deleted:
        raise TokenRefused("The account of this token has been deleted.")
    bind_contextvars(user_id=identity.subject)
    return signed_in(identity.subject, admin=Role.ADMIN in identity.roles | account.roles)


Caller = Annotated[Principal, Depends(identify)]


def requires(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets through callers with `scope`."""

    async def check(caller: Caller) -> Principal:
        if caller.anonymous:
            raise NotAuthenticated
        if scope not in caller.scopes:
            raise Forbidden("Your account is not allowed to do this; an admin's is.")
        return caller

    return check
