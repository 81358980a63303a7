"""A sign-in on its way: begun by the app, answered by the provider, ended by the exchange of a code.

Each step happens once. The state that goes to the provider and comes back is the key of the row, and the code that
the app gets is kept as its hash.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import SignIn

# As long as a person may take at the provider, and an app to come back with its code.
MAX_AGE: Final = timedelta(minutes=10)
PLAIN: Final = "plain"
S256: Final = "s256"
# RFC 7636, section 4.1.
MIN_CHALLENGE: Final = 43
MAX_CHALLENGE: Final = 128


@dataclass(frozen=True, slots=True)
class Challenge:
    """PKCE of the app: what its verifier has to fit."""

    value: str
    method: str

    def fits(self, verifier: str) -> bool:
        """Return whether the verifier is the one that the challenge was made from."""
        given = verifier.encode("ascii", "replace")
        if self.method == S256:
            given = base64.urlsafe_b64encode(hashlib.sha256(given).digest()).rstrip(b"=")
        return hmac.compare_digest(given, self.value.encode())


@dataclass(frozen=True, slots=True)
class Begun:
    """What a sign-in needs when the provider answers."""

    id: UUID
    provider: str
    redirect_to: str
    nonce: str
    verifier: str
    challenge: Challenge | None


@dataclass(frozen=True, slots=True)
class Granted:
    """What an exchanged code stands for."""

    user_id: str
    provider: str


async def begin(session: AsyncSession, provider: str, redirect_to: str, challenge: Challenge | None) -> Begun:
    """Write a sign-in that goes to the provider now."""
    begun = SignIn(
        provider=provider,
        redirect_to=redirect_to,
        code_challenge=challenge.value if challenge else None,
        code_challenge_method=challenge.method if challenge else None,
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
    )
    session.add(begun)
    await session.flush()
    return _begun(begun, str(begun.nonce), str(begun.verifier))


def _begun(row: SignIn, nonce: str, verifier: str) -> Begun:
    challenge = Challenge(row.code_challenge, row.code_challenge_method or PLAIN) if row.code_challenge else None
    return Begun(row.id, row.provider, row.redirect_to, nonce, verifier, challenge)


async def take(session: AsyncSession, state: UUID) -> Begun | None:
    """Return the sign-in of a state, once; None for one that is unknown, too old or taken before."""
    found = await session.execute(
        select(SignIn).where(SignIn.id == state, SignIn.created_at > func.now() - MAX_AGE).with_for_update()
    )
    row = found.scalar_one_or_none()
    if row is None or row.nonce is None or row.verifier is None:
        return None
    begun = _begun(row, row.nonce, row.verifier)
    row.nonce = row.verifier = None
    await session.flush()
    return begun


async def grant_code(session: AsyncSession, sign_in: UUID, user_id: str) -> str:
    """Return the code by which the app gets its session."""
    row = await session.get_one(SignIn, sign_in, with_for_update=True)
    code = secrets.token_urlsafe(32)
    row.code_hash, row.user_id = _hash(code), user_id
    await session.flush()
    return code


async def exchange(session: AsyncSession, code: str, verifier: str) -> Granted | None:
    """Return what a code stands for, once; None where it is unknown, too old, used, or the verifier does not fit.

    A verifier that does not fit leaves the code to whoever has the right one.
    """
    found = await session.execute(
        select(SignIn)
        .where(SignIn.code_hash == _hash(code), SignIn.used_at.is_(None), SignIn.created_at > func.now() - 2 * MAX_AGE)
        .with_for_update()
    )
    row = found.scalar_one_or_none()
    if row is None or row.user_id is None or row.code_challenge is None:
        return None
    if not Challenge(row.code_challenge, row.code_challenge_method or PLAIN).fits(verifier):
        return None
    row.used_at = func.now()
    await session.flush()
    return Granted(row.user_id, row.provider)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
