"""The issuer's public keys: fetched when needed, cached, and fetched again when a new one shows up.

Fetching is bounded in bytes and in whole time, whatever the issuer sends. Keys that have expired are still used while
they are fetched again, so an issuer that is slow or down signs no user out; a key that it withdrew stops working
within a day.
"""

import asyncio
import ssl
from http import HTTPStatus
from time import monotonic
from typing import Final

import httpx2
import structlog
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

log = structlog.get_logger(__name__)

# How often an unknown key id, or a failure, may lead to a fetch.
COOLDOWN_SECONDS: Final = 30.0
STALE_SECONDS: Final = 24 * 3600.0
MAX_DOCUMENT_BYTES: Final = 1024 * 1024


class KeysUnavailable(Exception):
    """The issuer does not answer, and no keys of it are known."""


class DocumentTooLarge(ValueError):
    """The issuer sends more than a set of keys can be."""


class IssuerKeys:
    """Signing keys of one JWKS address, by key id."""

    def __init__(self, url: str, *, cache_seconds: float, timeout: float) -> None:
        self._url = url
        self._cache_seconds = cache_seconds
        self._timeout = timeout
        # Made once: reading the certificates takes a while. Plain http is for loopback only, see the settings.
        self._tls = ssl.create_default_context() if url.startswith("https") else False
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> PyJWK | None:
        """Return the key of that id; None if the issuer does not have it. Raise `KeysUnavailable`."""
        now = monotonic()
        age = now - self._fetched
        known = self._keys.get(key_id) if age <= STALE_SECONDS else None
        if known is not None:
            if age >= self._cache_seconds:
                self._refresh(now)
            return known
        refreshing = self._refresh(now)
        if refreshing is not None:
            # Shielded: another request may wait for the same fetch.
            await asyncio.shield(refreshing)
        if monotonic() - self._fetched > STALE_SECONDS:
            raise KeysUnavailable
        return self._keys.get(key_id)

    def _refresh(self, now: float) -> asyncio.Task[None] | None:
        """Start fetching the keys, unless that has just been tried; return the fetch that is running."""
        if self._running is not None:
            return self._running
        first_after_expiry = now - self._fetched >= self._cache_seconds and self._fetched >= self._tried
        if now - self._tried < COOLDOWN_SECONDS and not first_after_expiry:
            return None
        self._tried = now
        self._running = asyncio.create_task(self._fetch(), name="issuer-keys")
        return self._running

    async def _fetch(self) -> None:
        try:
            document = await fetch(self._url, timeout=self._timeout, tls=self._tls)
            keys = PyJWKSet.from_json(document.decode()).keys
        except (PyJWTError, httpx2.HTTPError, OSError, ValueError) as error:
            log.warning("issuer_keys_unavailable", error=type(error).__name__)
        else:
            self._keys = {key.key_id: key for key in keys if key.key_id}
            self._fetched = monotonic()
        finally:
            self._running = None


async def fetch(url: str, *, timeout: float, tls: ssl.SSLContext | bool) -> bytes:  # noqa: ASYNC109 - of one answer
    """Return the body of a small document. Raise `OSError`, `DocumentTooLarge` or one of httpx's errors."""
    # A redirect could lead from https to http, or to an address inside the cluster. Of the environment counts by which
    # proxies the outside is reached; authorities are those of `tls`.
    async with (
        asyncio.timeout(timeout),
        httpx2.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=True, verify=tls) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status_code != HTTPStatus.OK:
            raise OSError(f"status {answer.status_code}")
        document = bytearray()
        async for part in answer.aiter_raw():
            document += part
            if len(document) > MAX_DOCUMENT_BYTES:
                raise DocumentTooLarge
    return bytes(document)
