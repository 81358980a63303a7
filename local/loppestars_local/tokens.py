"""Tokens of this machine, signed with the key of the data folder."""

import time
from datetime import timedelta
from typing import Final

import jwt

ADMIN: Final = "local-admin"
TOKEN_LIFETIME: Final = timedelta(days=30)
_ANON_KEY_LIFETIME: Final = timedelta(days=3650)
_ISSUER: Final = "loppestars-local"


class UserRefused(ValueError):
    """The database does not take the user's id."""


def access_token(key: str, user: str) -> str:
    """Return a token of `user`; roles are looked up in the database, so it names none."""
    return _sign(key, {"sub": user}, TOKEN_LIFETIME)


def anon_key(key: str) -> str:
    """Return the public key that the app sends before anyone has signed in; it stands for no user."""
    return _sign(key, {"role": "anon"}, _ANON_KEY_LIFETIME)


def _sign(key: str, claims: dict[str, str], lifetime: timedelta) -> str:
    now = int(time.time())
    times = {"iat": now, "exp": now + int(lifetime.total_seconds())}
    return jwt.encode({**claims, **times, "iss": _ISSUER}, key, algorithm="HS256")
