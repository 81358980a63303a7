"""Links to stored objects that the API itself serves: stable public ones, and signed ones that expire.

The path is the one that released clients already use for public objects (`/storage/v1/object/public/…`).
"""

import hashlib
import hmac
import time
from datetime import timedelta
from typing import Final
from urllib.parse import quote

PUBLIC_PATH: Final = "/storage/v1/object/public"
SIGNED_PATH: Final = "/storage/v1/object/sign"


def public_link(base_url: str, bucket: str, key: str) -> str:
    return f"{base_url.rstrip('/')}{PUBLIC_PATH}/{bucket}/{quote(key)}"


def signed_link(base_url: str, bucket: str, key: str, expires_in: timedelta, secret: bytes) -> str:
    """Return a link that `verify_link` accepts until `expires_in` from now."""
    expires = int(time.time() + expires_in.total_seconds())
    signature = _signature(bucket, key, expires, secret)
    return f"{base_url.rstrip('/')}{SIGNED_PATH}/{bucket}/{quote(key)}?expires={expires}&signature={signature}"


def verify_link(bucket: str, key: str, expires: int, signature: str, secret: bytes) -> bool:
    """Return whether the signature is ours and has not expired."""
    expected = _signature(bucket, key, expires, secret)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")) and time.time() < expires


def _signature(bucket: str, key: str, expires: int, secret: bytes) -> str:
    if not secret:
        raise ValueError("SIGNING_SECRET is empty: no link can be signed or verified")
    return hmac.new(secret, f"{bucket}\n{key}\n{expires}".encode(), hashlib.sha256).hexdigest()
