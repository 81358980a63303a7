"""Old rows as ours, or why they are left out. Pure."""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zlib import crc32

from loppestars_core.accounts.role import Role
from loppestars_core.activity.models import EntityType, EventType
from loppestars_core.markets.fields import FLAGS
from loppestars_core.markets.sighting import SourceMarket
from loppestars_core.ratings.models import MAX_RATING, MIN_RATING, RatingType
from loppestars_jobs.importing.source import Row

SOURCE: Final = "supabase"
ISSUERS: Final[Mapping[str, str]] = {
    "google": "https://accounts.google.com",
    "facebook": "https://www.facebook.com",
    "apple": "https://appleid.apple.com",
}
_MARKET_TEXTS: Final = (
    "municipality",
    "address",
    "city",
    "postal_code",
    "description",
    "organizer_name",
    "organizer_phone",
    "organizer_email",
    "organizer_website",
    "opening_hours",
    "special_features",
)
# A path in one of the old buckets, with or without the address in front of it.
_OLD_PHOTO: Final = re.compile(
    r"(?:^|/)(?:(?P<bucket>stall-photos(?:-processed)?)/)?(?P<key>[^/?#]+/[^/?#]+)(?:[?#].*)?$"
)


class LeftOut(Exception):
    """A row that cannot be taken over; the message is the reason, without its values."""


def user_of(row: Row) -> dict[str, Any]:
    """Return the columns of a user."""
    data = document(row.get("raw_user_meta_data"))
    return {"id": _id(row, "id"), "email": row.get("email"), "data": data, "created_at": _instant(row, "created_at")}


def identity_of(row: Row) -> dict[str, Any]:
    """Return the columns of an identity: the provider's issuer, and its own name for the person."""
    provider, data = row.get("provider") or "", document(row.get("identity_data"))
    if provider not in ISSUERS:
        raise LeftOut("a provider that is not offered here")
    subject = data.get("sub") or row.get("provider_id")
    if not subject:
        raise LeftOut("no subject")
    return {
        "user_id": _id(row, "user_id"),
        "issuer": ISSUERS[provider],
        "subject": str(subject),
        "provider": provider,
        "data": data,
        "last_sign_in_at": _instant(row, "last_sign_in_at") if row.get("last_sign_in_at") else None,
    }


def rating_of(row: Row) -> dict[str, Any]:
    """Return the columns of a rating; `photo_url` as it was."""
    try:
        stars = int(str(row.get("rating")))
    except ValueError:
        raise LeftOut("no rating") from None
    if not MIN_RATING <= stars <= MAX_RATING:
        raise LeftOut("a number out of range")
    kind = row.get("rating_type") or (RatingType.STALL if row.get("stall_name") else RatingType.MARKET)
    if kind not in set(RatingType):
        raise LeftOut("an unknown rating_type")
    return {
        "id": uuid.UUID(_id(row, "id")),
        "user_id": _id(row, "user_id"),
        "market_id": uuid.UUID(_id(row, "market_id")),
        "stall_name": None if kind == RatingType.MARKET else row.get("stall_name"),
        "mobilepay_phone": row.get("mobilepay_phone") or None,
        "rating": stars,
        "photo_url": row.get("photo_url") or None,
        "comment": row.get("comment") or None,
        "rating_type": kind,
        "created_at": _instant(row, "created_at"),
    }


def event_of(row: Row) -> dict[str, Any]:
    """Return the columns of an event of the app."""
    if row.get("event_type") not in set(EventType) or row.get("entity_type") not in set(EntityType):
        raise LeftOut("an unknown event_type or entity_type")
    at = _instant(row, "timestamp" if row.get("timestamp") else "created_at")
    return {
        "id": uuid.UUID(_id(row, "id")),
        "user_id": _id(row, "user_id"),
        "event_type": row["event_type"],
        "entity_type": row["entity_type"],
        "entity_id": row.get("entity_id"),
        "event_metadata": document(row.get("metadata")),
        "timestamp": at,
    }


def grant_of(row: Row) -> tuple[str, Role]:
    """Return who holds which role."""
    if row.get("revoked_at"):
        raise LeftOut("revoked")
    if row.get("role") not in set(Role):
        raise LeftOut("an unknown role")
    return _id(row, "user_id"), Role(str(row["role"]))


def market_of(row: Row) -> SourceMarket:
    """Return what the old project said of a market."""
    if not row.get("name") or not row.get("start_date"):
        raise LeftOut("a market without a name or dates")
    first = _day(row, "start_date")
    last = _day(row, "end_date") if row.get("end_date") else first
    position = (_real(row, "latitude"), _real(row, "longitude"))
    fee = row.get("entry_fee")
    try:
        price = Decimal(fee) if fee else None
    except InvalidOperation:
        price = None
    return SourceMarket(
        source=SOURCE,
        external_id=_id(row, "id"),
        url=row.get("source_url"),
        name=str(row["name"]),
        category=row.get("category") or "Loppemarked",
        start_date=first,
        end_date=max(first, last),
        latitude=position[0] if None not in position else None,
        longitude=position[1] if None not in position else None,
        entry_fee=price,
        stall_count=int(str(row["stall_count"])) if str(row.get("stall_count") or "").isdigit() else None,
        source_fields=document(row.get("loppemarkeder_nu")) or None,
        **{name: row.get(name) for name in _MARKET_TEXTS},  # type: ignore[arg-type]  # texts, by their names
        **{name: row.get(name) in {"t", "true", "True"} for name in FLAGS if row.get(name)},  # type: ignore[arg-type]
    )


def old_photo(url: str | None) -> str | None:
    """Return the key in the old buckets that a rating names; None where it names none of theirs."""
    if not url:
        return None
    found = _OLD_PHOTO.search(url)
    if found is None or (url.startswith(("http://", "https://")) and found["bucket"] is None):
        return None
    return found["key"]


def original_key(user_id: str, old_key: str) -> str:
    """Return where the old photo lies here: in its visitor's folder, named by digits."""
    name = old_key.rpartition("/")[2]
    stem = name.partition(".")[0]
    return f"{user_id}/{stem if stem.isdigit() and len(stem) <= 20 else crc32(name.encode())}.jpg"  # noqa: PLR2004 - as paths are


def document(value: str | None) -> dict[str, Any]:
    """Read a JSON object; anything else is an empty one."""
    try:
        found = json.loads(value) if value else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _id(row: Row, name: str) -> str:
    try:
        return str(uuid.UUID(row.get(name) or ""))
    except ValueError:
        raise LeftOut(f"no {name}") from None


def _real(row: Row, name: str) -> float | None:
    try:
        return float(row.get(name) or "")
    except ValueError:
        return None


def _day(row: Row, name: str) -> date:
    try:
        return date.fromisoformat(str(row.get(name))[:10])
    except ValueError:
        raise LeftOut(f"no {name}") from None


def _instant(row: Row, name: str) -> datetime:
    text = str(row.get(name))
    try:
        # PostgreSQL writes +00 where ISO 8601 wants +00:00; Python 3.11 reads both.
        found = datetime.fromisoformat(text)
    except ValueError:
        raise LeftOut(f"no {name}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
