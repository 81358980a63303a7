"""`/auth/v1`: signing in with a provider, refreshing, the user, signing out."""

from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from loppestars_api.access.dependencies import Access, AccessControl
from loppestars_api.access.own_tokens import ISSUER_PATH
from loppestars_api.state import AppState, State
from loppestars_api.supabase.auth.callers import AuthAdmin, AuthUser
from loppestars_api.supabase.auth.service import SignInService
from loppestars_api.supabase.callers import check_key
from loppestars_api.supabase.errors import DialectError
from loppestars_api.web.errors import Unavailable
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.sign_in.sign_ins import MAX_CHALLENGE, MIN_CHALLENGE, PLAIN, S256, Challenge

router = APIRouter(prefix=ISSUER_PATH, include_in_schema=False)

# What an app may say to the provider's page; everything else there is ours to say.
_HINTS: Final = frozenset({"login_hint", "prompt", "access_type", "hd", "display", "ui_locales", "auth_type"})
MAX_HINT: Final = 200
MAX_PAGE: Final = 1000
MAX_TOKEN: Final = 8192
_KEYS_SECONDS: Final = 300
_RETRY_SECONDS: Final = 30
_SCOPES: Final = frozenset({"global", "local", "others"})


def open_sign_in(state: AppState, access: Access) -> SignInService | None:
    """Return what signs people in; None where nobody signs in here."""
    return None if access.own is None else SignInService(access, state.settings, access.own)


async def sign_in_of(request: Request) -> SignInService:
    """Return what signs people in."""
    found: SignInService | None = request.app.state.sign_in
    if found is None:
        raise Unavailable("Sign-in is not available: AUTH_SIGNING_KEYS is not set.", _RETRY_SECONDS)
    return found


Body = dict[str, Any]
SignIn = Annotated[SignInService, Depends(sign_in_of)]


@router.get("/authorize")
async def authorize(request: Request, sign_in: SignIn, access: AccessControl) -> Response:
    """Send a person to the provider."""
    query = request.query_params
    await access.limiter.take(access.rates.sign_ins, access.addresses.key_of(request.scope))
    hints = {name: query[name] for name in sorted(_HINTS & set(query)) if len(query[name]) <= MAX_HINT}
    challenge = _challenge(query.get("code_challenge", ""), query.get("code_challenge_method", ""))
    address = await sign_in.begin(query.get("provider", ""), query.get("redirect_to"), challenge, hints)
    if query.get("skip_http_redirect") == "true":
        return json_response({"url": address}, headers=NO_STORE)
    return RedirectResponse(address, HTTPStatus.FOUND, NO_STORE)


def _challenge(value: str, method: str) -> Challenge | None:
    if not value and not method:
        return None
    known = {"": PLAIN, PLAIN: PLAIN, S256: S256}.get(method.lower())
    if known is None:
        raise _invalid("code_challenge_method must be s256 or plain")
    if not (MIN_CHALLENGE <= len(value) <= MAX_CHALLENGE and value.isascii() and value.isprintable()):
        raise _invalid(f"code_challenge must have {MIN_CHALLENGE} to {MAX_CHALLENGE} characters")
    return Challenge(value, known)


@router.get("/callback")
@router.post("/callback")
async def callback(request: Request, sign_in: SignIn, access: AccessControl) -> Response:
    """Take the provider's answer, and send the person back to the app."""
    answer = dict(request.query_params)
    if request.method == "POST":  # Apple's
        answer |= {name: str(value) for name, value in (await request.form()).items() if isinstance(value, str)}
    try:
        address = await sign_in.finish(
            answer.get("state", ""),
            answer.get("code", ""),
            answer.get("error_description") or answer.get("error", ""),
            request.headers.get("user-agent"),
        )
    except DialectError:
        await access.limiter.take(access.rates.auth_failures, access.addresses.key_of(request.scope))
        raise
    return RedirectResponse(address, HTTPStatus.SEE_OTHER if request.method == "POST" else HTTPStatus.FOUND, NO_STORE)


@router.post("/token")
async def token(request: Request, sign_in: SignIn, access: AccessControl, state: State) -> Response:
    """Return a session for a code, a refresh token or a provider's identity token."""
    if not state.settings.anon_keys:  # a mistake of ours, for which no phone is to lose its session
        raise Unavailable("No key of the app is configured: ANON_KEYS is not set.", _RETRY_SECONDS)
    check_key(request, state.settings)
    grant, body = request.query_params.get("grant_type"), await _body(request)
    document: Body | None = None
    agent = request.headers.get("user-agent")
    try:
        match grant:
            case "refresh_token":
                document = await sign_in.refresh(_text(body, "refresh_token"))
            case "pkce":
                document = await sign_in.exchange(_text(body, "auth_code"), _text(body, "code_verifier"), agent)
            case "id_token":
                nonce = _text(body, "nonce") if body.get("nonce") else None
                tokens = (_text(body, "provider"), _text(body, "id_token"), nonce)
                document = await sign_in.sign_in_by_token(*tokens, agent)
    except DialectError:
        await access.limiter.take(access.rates.auth_failures, access.addresses.key_of(request.scope))
        raise
    if document is None:
        raise DialectError(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", "unsupported_grant_type")
    return json_response(document, headers=NO_STORE)


@router.get("/user")
async def user(sign_in: SignIn, caller: AuthUser) -> Response:
    """Return the user who is signed in."""
    return json_response(await sign_in.user(caller), headers=NO_STORE)


@router.put("/user")
async def change_user(request: Request, sign_in: SignIn, caller: AuthUser) -> Response:
    """Change what the user says of themselves."""
    body = await _body(request)
    for name in ("email", "password", "phone"):
        if body.get(name):
            message = f"{name} cannot be set: people sign in with a provider"
            raise DialectError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}_provider_disabled", message)
    data = body.get("data") or {}
    # PostgreSQL has no character of number 0.
    if not isinstance(data, dict) or b"\\u0000" in orjson.dumps(data):
        raise _invalid("data must be a JSON object without the character U+0000")
    return json_response(await sign_in.change_user(caller, data), headers=NO_STORE)


@router.post("/logout")
async def logout(request: Request, sign_in: SignIn, caller: AuthUser) -> Response:
    """Sign the user out of this device, of all, or of all others."""
    scope = request.query_params.get("scope", "global")
    if scope not in _SCOPES:
        raise _invalid("scope must be global, local or others")
    await sign_in.sign_out(caller, scope)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=NO_STORE)


@router.get("/admin/users")
async def users(request: Request, sign_in: SignIn, _admin: AuthAdmin) -> Response:
    """List users."""
    page, size = _number(request, "page", 1), min(_number(request, "per_page", 50), MAX_PAGE)
    found, total = await sign_in.users(size, (page - 1) * size)
    headers = {**NO_STORE, "X-Total-Count": str(total)}
    return json_response({"users": found, "aud": "authenticated"}, headers=headers)


@router.get("/settings")
async def settings(request: Request) -> Response:
    """Return how one can sign in."""
    found: SignInService | None = request.app.state.sign_in
    names = found.provider_names if found else []
    external = {name: name in names for name in {"google", "facebook", "apple", *names}} | {"email": False}
    document = {
        "external": {**external, "phone": False, "anonymous_users": False},
        "disable_signup": False,
        "mailer_autoconfirm": False,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
    }
    return json_response(document)


@router.get("/health")
async def health() -> Response:
    """Say that sign-in is served."""
    document = {"version": version("loppestars"), "name": "GoTrue", "description": "The sign-in of Loppestars"}
    return json_response(document, headers=NO_STORE)


@router.get("/.well-known/jwks.json")
async def keys(access: AccessControl) -> Response:
    """Publish the public keys of access tokens."""
    document = access.own.keys.document if access.own else {"keys": []}
    return json_response(document, headers={"Cache-Control": f"public, max-age={_KEYS_SECONDS}"})


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return max(1, int(text[:9])) if text.isascii() and text.isdigit() else default


async def _body(request: Request) -> Body:
    try:
        body = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise DialectError(HTTPStatus.BAD_REQUEST, "bad_json", "Could not read the body: expected a JSON object")
    return body


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN:
        raise _invalid(f"{name} is required")
    return value


def _invalid(message: str) -> DialectError:
    return DialectError(HTTPStatus.BAD_REQUEST, "validation_failed", message)
