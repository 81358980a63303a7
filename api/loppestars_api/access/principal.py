"""Who asks, and what they may do: the one value that routes decide by."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID


class Kind(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a route asks for. A new kind of caller gets a set of these, and no route changes."""

    MANAGE_CRAWLS = "crawls:manage"
    MANAGE_MARKETS = "markets:manage"
    MODERATE_PHOTOS = "photos:moderate"
    DECIDE_CLAIMS = "claims:decide"


_SCOPES: Final = {
    Kind.ANONYMOUS: frozenset[Scope](),
    Kind.USER: frozenset[Scope](),
    Kind.ADMIN: frozenset({Scope.MANAGE_CRAWLS, Scope.MANAGE_MARKETS, Scope.MODERATE_PHOTOS, Scope.DECIDE_CLAIMS}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is the subject of the token, empty for anonymous; `limit_key` is what rate limits count by.

    `session_id` is the device that signed in here; None for tokens of other issuers.
    """

    kind: Kind
    id: str
    limit_key: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    session_id: UUID | None = None

    @property
    def anonymous(self) -> bool:
        return self.kind is Kind.ANONYMOUS


def anonymous(address_key: str) -> Principal:
    """Return a caller without a token."""
    return Principal(Kind.ANONYMOUS, "", f"address:{address_key}")


def signed_in(subject: str, *, admin: bool, session_id: UUID | None = None) -> Principal:
    """Return the caller that a checked token stands for."""
    kind = Kind.ADMIN if admin else Kind.USER
    return Principal(kind, subject, f"user:{subject}", _SCOPES[kind], session_id)
