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
        jwt_secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
        self._secret = (settings.signing_secret.get_secret_value() or jwt_secret).encode()

    def sign(self, purpose: Purpose, place: str, seconds: int, **claims: Any) -> str:  # noqa: ANN401 - of the token
        """Return a token for `bucket/key`."""
        now = int(time.time())
        content = {"url": place, "iat": now, "exp": now + min(seconds, MAX_LINK_SECONDS), **claims}
        return jwt.encode(content, self._key(purpose), algorithm=_ALGORITHM)

    def check(self, purpose: Purpose, place: str, token: str) -> dict[str, Any]:
        """Return the claims of a token that was made for this, and is not too old."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key(purpose), algorithms=[_ALGORITHM], options={"require": ["exp", "url"]}
            )
        except ExpiredSignatureError:
            raise invalid_link(expired=True) from None
        except (PyJWTError, ValueError):
            raise invalid_link() from None
        if claims["url"] != place:
            raise invalid_link()
        return claims

    def _key(self, purpose: Purpose) -> bytes:
        if not self._secret:
            raise not_offered("signed links")
        return hmac.digest(self._secret, f"loppestars storage {purpose}".encode(), hashlib.sha256)
