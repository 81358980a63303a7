"""Who calls through the dialect: an anonymous app by its key, or a user by their token next to it."""

from hmac import compare_digest
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request

from loppestars_api.access.dependencies import Access, AccessControl
from loppestars_api.access.principal import Principal, anonymous
from loppestars_api.access.tokens import TokenExpired, TokenRefused
from loppestars_api.settings import ApiSettings
from loppestars_api.state import State
from loppestars_api.supabase.errors import DialectError
from loppestars_api.web.errors import Unavailable
from loppestars_core.sign_in.issuer_keys import KeysUnavailable

KEYS_RETRY_SECONDS: Final = 10


async def identify(request: Request, access: AccessControl, state: State) -> Principal:
    """Return the caller. A key or token that is missing, wrong or expired is a 401, never an anonymous caller."""
    return await _identify(request, access, check_key(request, state.settings))


async def identify_by_bearer(request: Request, access: AccessControl, state: State) -> Principal:
    """Return the caller like `identify`, where a bearer does for the key: a picture in the app sends nothing else."""
    enough = "authorization" in request.headers
    return await _identify(request, access, check_key(request, state.settings, optional=enough))


async def _identify(request: Request, access: Access, keys: list[str]) -> Principal:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    address = access.addresses.key_of(request.scope)
    if not scheme or is_key(token.strip(), keys):
        return anonymous(address)
    if scheme.lower() != "bearer":
        raise DialectError(HTTPStatus.UNAUTHORIZED, "PGRST301", "The Authorization header must be 'Bearer <token>'")
    return await _user(access, token.strip(), address)


def check_key(request: Request, settings: ApiSettings, *, optional: bool = False) -> list[str]:
    """Return the keys of the app, one of which this request has; else raise `DialectError`."""
    keys = [key.get_secret_value() for key in settings.anon_keys]
    given = request.headers.get("apikey") or request.query_params.get("apikey") or ""
    if not given and optional:
        return keys
    if not given:
        raise DialectError(HTTPStatus.UNAUTHORIZED, "PGRST302", "No API key found in request")
    if not is_key(given, keys):
        raise DialectError(HTTPStatus.UNAUTHORIZED, "PGRST301", "Invalid API key")
    return keys


async def _user(access: Access, token: str, address: str) -> Principal:
    try:
        return await access.signed_in(token)
    except TokenRefused as refusal:
        await access.limiter.take(access.rates.auth_failures, address)
        code = "PGRST303" if isinstance(refusal, TokenExpired) else "PGRST301"
        message = "JWT expired" if isinstance(refusal, TokenExpired) else str(refusal)
        raise DialectError(HTTPStatus.UNAUTHORIZED, code, message) from None
    except KeysUnavailable:
        raise Unavailable("The issuer of tokens does not answer at the moment.", KEYS_RETRY_SECONDS) from None


def is_key(given: str, keys: list[str]) -> bool:
    """Return whether a text is one of the app's keys."""
    # All of them are compared, so that the time says nothing about which one is close.
    close = [compare_digest(given.encode("utf-8", "replace"), key.encode()) for key in keys]
    return any(close)


DialectCaller = Annotated[Principal, Depends(identify)]
