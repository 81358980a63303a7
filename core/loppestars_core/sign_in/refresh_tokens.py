"""Refresh tokens: derived from a session, its counter and a secret.

None is stored, so whoever reads the database has none, and yet an answer that was lost on its way can be given again.
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from uuid import UUID

_PURPOSE: Final = b"loppestars refresh token\0"
# The session's id and the counter; the MAC follows. 36 bytes are 48 characters without padding: one spelling each.
_BODY: Final = struct.Struct(">16sI")
_MAC_BYTES: Final = 16
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{48}", re.ASCII)


class Use(Enum):
    """What a token that was presented means for its session."""

    ACTIVE = auto()
    """The session moves on to the next pair."""
    PARENT = auto()
    """Its answer was lost: the current pair is given again."""
    STALE = auto()
    """It was given out twice: one of the holders is a thief, and the session ends."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a token of ours says."""

    session_id: UUID
    counter: int


def use_of(counter: int, active: int) -> Use:
    """Return what token number `counter` means while number `active` is the session's.

    A higher number than the active one is ours too, as nobody else can make any: the database was restored from a
    backup that is older than the token.
    """
    if counter >= active:
        return Use.ACTIVE
    return Use.PARENT if counter == active - 1 else Use.STALE


class RefreshTokens:
    """Derives tokens with the first of `secrets`, and accepts those of all."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]

    def derive(self, session_id: UUID, counter: int) -> str:
        """Return the token of a session; the same one each time."""
        body = _BODY.pack(session_id.bytes, counter)
        return urlsafe_b64encode(body + _mac(self._secrets[0], body)).decode()

    def read(self, text: str) -> RefreshToken | None:
        """Return what a token says; None for one that is not ours."""
        if not _TEXT.fullmatch(text):
            return None
        given = urlsafe_b64decode(text)
        body, mac = given[: _BODY.size], given[_BODY.size :]
        # All secrets are tried, so that the time says nothing about which one fits.
        fits = [hmac.compare_digest(mac, _mac(secret, body)) for secret in self._secrets]
        if not any(fits):
            return None
        session_id, counter = _BODY.unpack(body)
        return RefreshToken(UUID(bytes=session_id), counter)


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + body, "sha256")[:_MAC_BYTES]
