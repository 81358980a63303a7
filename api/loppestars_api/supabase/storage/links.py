"""Tokens of signed links: a JWT that names one object, under a key of its own that signs nobody in."""

import hashlib
import hmac
import time
from typing import Any, Final, Literal

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from loppestars_api.settings import ApiSettings
from loppestars_api.supabase.storage.errors import invalid_link, not_offered

# Originals are kept for about as long; whoever asks for more gets this.
MAX_LINK_SECONDS: Final = 24 * 3600
UPLOAD_SECONDS: Final = 2 * 3600
_ALGORITHM: Final = "HS256"

Purpose = Literal["read", "upload"]


class LinkSigner:
    """Signs and checks the tokens of links."""

    def __init__(self, settings: ApiSettings) -> None:
        given = (settings.signing_secret, *settings.auth_session_secrets, settings.jwt_secret)
        # The first signs; a link that was signed before secrets were rotated holds as long as its secret is there.
        self._secrets = [text.encode() for secret in given if secret and (text := secret.get_secret_value())]

    def sign(self, purpose: Purpose, place: str, seconds: int, **claims: Any) -> str:  # noqa: ANN401 - of the token
        """Return a token for `bucket/key`."""
        now = int(time.time())
        content = {"url": place, "iat": now, "exp": now + min(seconds, MAX_LINK_SECONDS), **claims}
        return jwt.encode(content, self._keys(purpose)[0], algorithm=_ALGORITHM)

    def check(self, purpose: Purpose, place: str, token: str) -> dict[str, Any]:
        """Return the claims of a token that was made for this, and is not too old."""
        claims = self._claims(purpose, token)
        if claims["url"] != place:
            raise invalid_link()
        return claims

    def _claims(self, purpose: Purpose, token: str) -> dict[str, Any]:
        for key in self._keys(purpose):
            try:
                found: dict[str, Any] = jwt.decode(
                    token, key, algorithms=[_ALGORITHM], options={"require": ["exp", "url"]}
                )
            except ExpiredSignatureError:
                raise invalid_link(expired=True) from None
            except (PyJWTError, ValueError):
                continue
            return found
        raise invalid_link()

    def _keys(self, purpose: Purpose) -> list[bytes]:
        if not self._secrets:
            raise not_offered("signed links")
        label = f"loppestars storage {purpose}".encode()
        return [hmac.digest(secret, label, hashlib.sha256) for secret in self._secrets]
