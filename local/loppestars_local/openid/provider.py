"""What the provider answers: discovery, a page to choose a person on, tokens for a code; strict like a real one."""

import hashlib
import hmac
import html
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from loppestars_local.openid.people import PEOPLE, LocalPerson, person_named

CLIENT_ID: Final = "loppestars-local"
_KEY_ID: Final = "local-1"
_CODE_SECONDS: Final = 60
_TOKEN_SECONDS: Final = 600
_PAGE: Final = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Sign in on this machine</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem}}
a,button{{display:block;width:100%;box-sizing:border-box;margin:.5rem 0;padding:.8rem;border:1px solid #555;
border-radius:.5rem;color:#111;background:#fff;text-decoration:none;font:inherit;text-align:left}}
input{{font:inherit;padding:.6rem;width:100%;box-sizing:border-box}}</style></head>
<body><main><h1>Sign in as …</h1><p>This page stands in for a real provider. It runs on this machine only.</p>
{people}<form>{hidden}<label>somebody else <input name="login_hint" pattern="[a-z0-9][a-z0-9-]*" required></label>
<button>Sign in</button></form><p><a href="{refusal}">Do not sign in</a></p></main></body></html>"""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body of an answer."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Code:
    person: LocalPerson
    client_id: str
    redirect_uri: str
    nonce: str | None
    challenge: str
    expires: float


class _Refused(Exception):
    """The request breaks a rule of OAuth 2; the error's name is its text."""


class LocalProvider:
    """Signs in whoever is chosen.

    Args:
        secret: of the one client, `CLIENT_ID`.
        redirects: where it may send people back to.
    """

    def __init__(self, secret: str, redirects: frozenset[str]) -> None:
        self.issuer = ""  # set once it is known where this listens
        self._secret = secret
        self._redirects = redirects
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._codes: dict[str, _Code] = {}
        self._lock = Lock()

    def respond(self, method: str, target: str, body: bytes) -> Reply:
        """Answer a request."""
        parts = urlsplit(target)
        routes = {
            ("GET", "/.well-known/openid-configuration"): lambda _: _json(self._configuration()),
            ("GET", "/keys"): lambda _: _json(self._keys()),
            ("GET", "/authorize"): self._authorize,
            ("POST", "/token"): self._token,
        }
        route = routes.get((method, parts.path))
        if route is None:
            return Reply(HTTPStatus.NOT_FOUND, b"There is nothing here.\n", {"Content-Type": "text/plain"})
        try:
            return route(dict(parse_qsl(body.decode() if method == "POST" else parts.query)))
        except _Refused as refusal:
            return _json({"error": str(refusal)}, HTTPStatus.BAD_REQUEST)

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _keys(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}

    def _authorize(self, query: dict[str, str]) -> Reply:
        redirect = query.get("redirect_uri", "")
        if query.get("client_id") != CLIENT_ID or redirect not in self._redirects:
            raise _Refused("unauthorized_client")
        answer = {"state": query.get("state", "")}
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return _redirect(redirect, {**answer, "error": "invalid_request"})
        if query.get("prompt") == "none" and not query.get("login_hint"):
            return _redirect(redirect, {**answer, "error": "login_required"})
        person = person_named(query.get("login_hint", ""))
        if person is None:
            return self._page(query, redirect)
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = _Code(
                person,
                CLIENT_ID,
                redirect,
                query.get("nonce"),
                query.get("code_challenge", ""),
                time.monotonic() + _CODE_SECONDS,
            )
        return _redirect(redirect, {**answer, "code": code})

    def _page(self, query: dict[str, str], redirect: str) -> Reply:
        query = {name: value for name, value in query.items() if name != "login_hint"}
        people = "".join(
            f'<a href="?{html.escape(urlencode({**query, "login_hint": person.name}))}">'
            f"<strong>{person.name}</strong> {person.about}</a>"
            for person in PEOPLE
        )
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        refusal = f"{redirect}?{urlencode({'state': query.get('state', ''), 'error': 'access_denied'})}"
        page = _PAGE.format(people=people, hidden=hidden, refusal=html.escape(refusal))
        return Reply(HTTPStatus.OK, page.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _token(self, form: dict[str, str]) -> Reply:
        secret = form.get("client_secret", "")
        if form.get("client_id") != CLIENT_ID or not hmac.compare_digest(secret.encode(), self._secret.encode()):
            raise _Refused("invalid_client")
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            code is None
            or code.expires < time.monotonic()
            or code.redirect_uri != form.get("redirect_uri")
            or urlsafe_b64encode(verifier).rstrip(b"=").decode() != code.challenge
        ):
            raise _Refused("invalid_grant")
        return _json(
            {
                "access_token": secrets.token_urlsafe(24),
                "token_type": "Bearer",
                "expires_in": _TOKEN_SECONDS,
                "id_token": self.id_token(code.person, nonce=code.nonce),
            }
        )

    def id_token(self, person: LocalPerson, **changes: Any) -> str:  # noqa: ANN401 - claims are of any type
        """Return an identity token; tests change its claims, or leave them out with None."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + _TOKEN_SECONDS, **person.claims}
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, self._key, algorithm="RS256", headers={"kid": _KEY_ID})


def _json(content: object, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Reply(status, json.dumps(content).encode(), headers)


def _redirect(address: str, answer: Mapping[str, str]) -> Reply:
    return Reply(HTTPStatus.FOUND, headers={"Location": f"{address}?{urlencode(answer)}"})
