"""The Prefer header: what a client wants of the answer and of the write."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from loppestars_api.supabase.errors import DialectError

_KNOWN: Final = {
    "return": {"representation", "minimal", "headers-only"},
    "count": {"exact", "planned", "estimated"},
    "resolution": {"merge-duplicates", "ignore-duplicates"},
    "missing": {"default", "null"},
    "handling": {"strict", "lenient"},
    "tx": {"commit", "rollback"},
}
_NUMBERS: Final = {"max-affected"}
MAX_HEADER: Final = 1000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What is wanted; `applied` is said in the answer."""

    count: bool = False
    representation: str = "minimal"
    merge: bool | None = None
    defaults: bool = False
    rollback: bool = False
    most: int | None = None
    applied: tuple[str, ...] = ()


def parse_preferences(headers: list[str]) -> Preferences:
    """Parse the header; what is not known is ignored, except with `handling=strict`."""
    wanted: dict[str, str] = {}
    unknown: list[str] = []
    for part in ",".join(headers)[:MAX_HEADER].split(","):
        name, _, value = part.strip().partition("=")
        if value in _KNOWN.get(name, ()) or (name in _NUMBERS and value.isascii() and value.isdigit()):
            wanted.setdefault(name, value)
        elif name:
            unknown.append(part.strip())
    strict = wanted.get("handling") == "strict"
    if strict and unknown:
        details = f"Invalid preferences: {', '.join(unknown)}"
        raise DialectError(
            HTTPStatus.BAD_REQUEST, "PGRST122", "Invalid preferences given with handling=strict", details=details
        )
    resolution = wanted.get("resolution")
    if not strict:
        wanted.pop("max-affected", None)
    return Preferences(
        count="count" in wanted,
        representation=wanted.get("return", "minimal"),
        merge=None if resolution is None else resolution == "merge-duplicates",
        defaults=wanted.get("missing") == "default",
        rollback=wanted.get("tx") == "rollback",
        most=int(wanted["max-affected"][:9]) if "max-affected" in wanted else None,
        applied=tuple(f"{name}={value}" for name, value in wanted.items()),
    )
