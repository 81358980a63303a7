"""Users, sessions and claims in the shapes that clients of GoTrue read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from loppestars_api.access.own_tokens import AUDIENCE
from loppestars_core.accounts.models import Identity, User

# A token travels in headers, whose size proxies limit; the whole is in the user.
MAX_TOKEN_DATA_BYTES: Final = 1500


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token and its refresh token; `expires_at` in Unix seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    expires_at: int

    @property
    def document(self) -> dict[str, Any]:
        """What is answered of a pair, also in a redirect."""
        return {
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "expires_at": self.expires_at,
            "refresh_token": self.refresh_token,
        }


def user_document(user: User, identities: Sequence[Identity]) -> dict[str, Any]:
    """Return a user as clients read them."""
    confirmed = _time(user.created_at) if user.email else None
    signed_in = [identity.last_sign_in_at for identity in identities if identity.last_sign_in_at]
    return {
        "id": user.id,
        "aud": AUDIENCE,
        "role": AUDIENCE,
        "email": user.email or "",
        "email_confirmed_at": confirmed,
        "phone": "",
        "confirmed_at": confirmed,
        "last_sign_in_at": _time(max(signed_in)) if signed_in else None,
        "app_metadata": _app_metadata(identities),
        "user_metadata": user.data,
        "identities": [_identity_document(identity) for identity in identities],
        "created_at": _time(user.created_at),
        "updated_at": _time(max([*signed_in, user.created_at])),
        "is_anonymous": False,
    }


def token_claims(  # noqa: PLR0913 - what a token says
    user: User,
    identities: Sequence[Identity],
    session_id: UUID,
    *,
    signed_in_at: datetime,
    issued_at: int,
    seconds: int,
) -> dict[str, Any]:
    """Return the claims of an access token as GoTrue writes them; its issuer is added by whoever signs it."""
    return {
        "aud": AUDIENCE,
        "exp": issued_at + seconds,
        "iat": issued_at,
        "sub": user.id,
        "email": user.email or "",
        "phone": "",
        "app_metadata": _app_metadata(identities),
        "user_metadata": user.data if len(orjson.dumps(user.data)) <= MAX_TOKEN_DATA_BYTES else {},
        "role": AUDIENCE,
        "aal": "aal1",
        "amr": [{"method": "oauth", "timestamp": int(signed_in_at.timestamp())}],
        "session_id": str(session_id),
        "is_anonymous": False,
    }


def _app_metadata(identities: Sequence[Identity]) -> dict[str, Any]:
    names = list(dict.fromkeys(identity.provider for identity in identities))
    return {"provider": names[0], "providers": names} if names else {"providers": []}


def _identity_document(identity: Identity) -> dict[str, Any]:
    data = {**(identity.data or {}), "sub": identity.subject}
    last = _time(identity.last_sign_in_at)
    return {
        "identity_id": str(UUID(int=identity.id)),
        "id": identity.subject,
        "user_id": identity.user_id,
        "identity_data": data,
        "provider": identity.provider,
        "last_sign_in_at": last,
        "created_at": _time(identity.created_at),
        "updated_at": last or _time(identity.created_at),
        "email": data.get("email"),
    }


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
