"""Checks bearer tokens: signature, algorithm, times, issuer, audience.

The algorithm is never the token's choice: HS256 is tried with the shared secret only, RS256 and ES256 with the
issuer's public key of that id only, and a key is used for no other algorithm than its own. So `alg: none` and a
public key passed off as a secret have nothing to hold on to. A key of our own vouches for our own issuer only.
"""

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt
from jwt.exceptions import ExpiredSignatureError, ImmatureSignatureError, PyJWTError

from loppestars_api.access.own_tokens import AUDIENCE, OwnTokens
from loppestars_api.settings import AuthSettings
from loppestars_core.sign_in.issuer_keys import IssuerKeys
from loppestars_core.sign_in.signing import ALGORITHM

MAX_TOKEN_CHARACTERS: Final = 8192
# The end of the year 9999.
MAX_TIME: Final = 253_402_300_799
# Subjects become path segments and log fields.
_SUBJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._|:@-]{0,127}")
_PUBLIC_KEY_ALGORITHMS: Final = frozenset({"RS256", "ES256"})
_KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC"}


class TokenRefused(Exception):
    """The token is not accepted; the message says why, without repeating any of it."""


class TokenExpired(TokenRefused):
    """The token was good once."""


class SessionEnded(TokenRefused):
    """The device of the token was signed out."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checked token says: its subject, and the roles that its issuer vouches for.

    `session_id` is set for our own tokens, whose subject is a user of ours.
    """

    subject: str
    roles: frozenset[str]
    issuer: str
    session_id: UUID | None = None


class TokenVerifier:
    def __init__(self, settings: AuthSettings, own: OwnTokens | None = None) -> None:
        self._own = own
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
        self._keys = (
            IssuerKeys(
                str(settings.jwks_url),
                cache_seconds=settings.jwks_cache_seconds,
                timeout=settings.jwks_timeout_seconds,
            )
            if settings.jwks_url
            else None
        )
        self._issuer = settings.jwt_issuer
        self._secret_issuer = settings.jwt_secret_issuer or settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._leeway = settings.jwt_leeway_seconds
        self._trust_roles = settings.jwt_trust_roles_claim

    async def verify(self, token: str) -> Identity:
        """Raise `TokenRefused`, or `KeysUnavailable` when the issuer's keys cannot be had."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRefused(f"The token is longer than {MAX_TOKEN_CHARACTERS} characters.")
        try:
            header = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError, RecursionError):
            raise TokenRefused("The token is not a JWT.") from None
        algorithm = header.get("alg")
        # The header is a stranger's JSON: `alg` may be a list or an object as well.
        if not isinstance(algorithm, str):
            raise TokenRefused("The token's algorithm is not accepted here.")
        own_key = self._own.keys.find(header.get("kid")) if self._own and algorithm == ALGORITHM else None
        if self._own is not None and own_key is not None:
            return self._own_identity(self._claims(token, own_key, algorithm, self._own.issuer, AUDIENCE))
        key = await self._key(algorithm, header.get("kid"))
        issuer = self._secret_issuer if algorithm == "HS256" else self._issuer
        return self._identity(self._claims(token, key, algorithm, issuer, self._audience))

    async def _key(self, algorithm: str, key_id: object) -> Any:  # noqa: ANN401 - str or one of PyJWT's key types
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if algorithm in _PUBLIC_KEY_ALGORITHMS and self._keys is not None:
            if not isinstance(key_id, str):
                raise TokenRefused("The token names no key (kid).")
            found = await self._keys.find(key_id)
            if found is None or found.key_type != _KEY_TYPES[algorithm]:
                raise TokenRefused("The token is signed by a key that its issuer does not publish.")
            return found.key
        raise TokenRefused("The token's algorithm is not accepted here.")

    def _claims(self, token: str, key: Any, algorithm: str, issuer: str | None, audience: str | None) -> dict[str, Any]:  # noqa: ANN401 - see _key
        required = ["exp", "sub", *(["iss"] if issuer else []), *(["aud"] if audience else [])]
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=audience,
                issuer=issuer,
                leeway=self._leeway,
                options={"require": required, "verify_aud": audience is not None},
            )
        except ExpiredSignatureError:
            raise TokenExpired("The token has expired.") from None
        except ImmatureSignatureError:
            raise TokenRefused("The token is not valid yet.") from None
        except (PyJWTError, ValueError):  # a number of thousands of digits is a ValueError of the JSON parser
            raise TokenRefused("The token is not accepted: signature, issuer, audience or a required claim.") from None
        # PyJWT reads text and booleans as numbers too.
        for name in ("exp", "nbf", "iat"):
            if name in claims and (type(claims[name]) not in {int, float} or not 0 <= claims[name] <= MAX_TIME):
                raise TokenRefused(f"The token's {name} is not a time in seconds.")
        return claims

    def _own_identity(self, claims: dict[str, Any]) -> Identity:
        found = self._identity(claims)
        try:
            session_id = UUID(str(claims.get("session_id")))
        except ValueError:
            raise TokenRefused("The token names no session.") from None
        return Identity(found.subject, frozenset(), found.issuer, session_id)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        subject = claims["sub"]
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise TokenRefused("The token's subject is not a user id.")
        metadata = claims.get("app_metadata")
        roles = metadata.get("roles") if self._trust_roles and isinstance(metadata, dict) else None
        named = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
        return Identity(subject, frozenset(named), str(claims.get("iss", "")))
