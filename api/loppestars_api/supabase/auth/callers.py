"""Who is signed in, for routes that need a user."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from loppestars_api.access.dependencies import AccessControl
from loppestars_api.access.principal import Kind, Principal
from loppestars_api.access.tokens import SessionEnded, TokenRefused
from loppestars_api.state import State
from loppestars_api.supabase.callers import KEYS_RETRY_SECONDS, check_key, is_key
from loppestars_api.supabase.errors import DialectError
from loppestars_api.web.errors import Unavailable
from loppestars_core.sign_in.issuer_keys import KeysUnavailable


async def identify_user(request: Request, access: AccessControl, state: State) -> Principal:
    """Return the user of this request. Raise `DialectError` where there is none."""
    keys = check_key(request, state.settings)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or is_key(token.strip(), keys):
        raise DialectError(HTTPStatus.UNAUTHORIZED, "no_authorization", "This endpoint requires a Bearer token")
    try:
        return await access.signed_in(token.strip())
    except SessionEnded:
        message = "Session from session_id claim in JWT does not exist"
        raise DialectError(HTTPStatus.FORBIDDEN, "session_not_found", message) from None
    except TokenRefused as refusal:
        await access.limiter.take(access.rates.auth_failures, access.addresses.key_of(request.scope))
        raise DialectError(HTTPStatus.UNAUTHORIZED, "bad_jwt", f"invalid JWT: {refusal}") from None
    except KeysUnavailable:
        raise Unavailable("The issuer of tokens does not answer at the moment.", KEYS_RETRY_SECONDS) from None


AuthUser = Annotated[Principal, Depends(identify_user)]


async def require_admin(user: AuthUser) -> Principal:
    """Return the admin of this request."""
    if user.kind is not Kind.ADMIN:
        raise DialectError(HTTPStatus.FORBIDDEN, "not_admin", "User not allowed")
    return user


AuthAdmin = Annotated[Principal, Depends(require_admin)]
