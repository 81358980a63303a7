"""The issuer's public keys: fetched when needed, kept for a while, asked for again when a new one shows up.

PyJWT's client fetches and parses. It blocks, and it asks again at once after a failure, so that any stranger with a
made-up key id could have the issuer asked for every request; hence this cache before it.
"""

import asyncio
from time import monotonic
from typing import Final

import structlog
from jwt import PyJWK, PyJWKClient
from jwt.exceptions import PyJWTError

log = structlog.get_logger(__name__)

# How often an unknown key id, or a failure, may lead to a fetch.
COOLDOWN_SECONDS: Final = 30.0
# An issuer that is down must not sign all users out; a key that it withdrew must stop working some day.
STALE_SECONDS: Final = 24 * 3600.0


class KeysUnavailable(Exception):
    """The issuer does not answer, and no keys of it are known."""


class IssuerKeys:
    """Signing keys of one JWKS address, by key id."""

    def __init__(self, url: str, *, cache_seconds: float, timeout: float) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=timeout)
        self._cache_seconds = cache_seconds
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> PyJWK | None:
        """The key of that id; None if the issuer does not have it. Raises `KeysUnavailable`."""
        now = monotonic()
        if key_id in self._keys and now - self._fetched < self._cache_seconds:
            return self._keys[key_id]
        await self._refresh(asked_at=now)
        if monotonic() - self._fetched > STALE_SECONDS:
            raise KeysUnavailable
        return self._keys.get(key_id)

    async def _refresh(self, asked_at: float) -> None:
        async with self._lock:
            expired = monotonic() - self._fetched >= self._cache_seconds
            # Somebody else fetched while this call waited for the lock, or has just failed to.
            if self._tried >= asked_at or (monotonic() - self._tried < COOLDOWN_SECONDS and not (expired and self._ok)):
                return
            self._tried = monotonic()
            try:
                keys = await asyncio.to_thread(self._client.get_signing_keys)
            except (PyJWTError, OSError, ValueError) as error:
                log.warning("issuer_keys_unavailable", error=type(error).__name__)
                return
            self._keys = {key.key_id: key for key in keys if key.key_id}
            self._fetched = monotonic()

    @property
    def _ok(self) -> bool:
        return self._fetched >= self._tried
