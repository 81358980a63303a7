"""Facebook's `signed_request`: who asks it to have their data deleted.

Source: https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from typing import Any, Final

MAX_AGE: Final = timedelta(days=1)
MAX_CHARACTERS: Final = 8192


class BadSignature(Exception):
    """The request is not Facebook's, or an old one."""


def user_of(signed_request: str, secret: str, now: datetime) -> str:
    """Return Facebook's id of the user. Raise `BadSignature`."""
    signature, dot, payload = signed_request.partition(".")
    if not dot or len(signed_request) > MAX_CHARACTERS:
        raise BadSignature("it has no payload, or too long a one")
    expected = hmac.new(secret.encode(), payload.encode("utf-8", "replace"), hashlib.sha256).digest()
    if not hmac.compare_digest(_decoded(signature), expected):
        raise BadSignature("the signature is wrong")
    try:
        claims: Any = json.loads(_decoded(payload))
        issued = datetime.fromtimestamp(float(claims["issued_at"]), tz=now.tzinfo)
        algorithm, user = str(claims["algorithm"]).upper(), str(claims["user_id"])
    except (ValueError, TypeError, KeyError, OverflowError, OSError) as error:
        raise BadSignature("the payload cannot be read") from error
    if algorithm != "HMAC-SHA256" or abs(now - issued) > MAX_AGE or not user:
        raise BadSignature("another algorithm, an old request, or one of nobody")
    return user


def _decoded(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise BadSignature("it is not base64") from error
