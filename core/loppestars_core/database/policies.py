"""What each table holds of people: its owner, how long rows are kept, and what export and erasure do with them.

A table that is not registered here fails a test, so nobody can add personal data without deciding this.
"""

from dataclasses import dataclass
from enum import StrEnum


class Export(StrEnum):
    """Whether a person's copy of their data holds these rows."""

    ROWS = "rows"
    NOT_PERSONAL = "not personal"


class Erasure(StrEnum):
    """What happens to a person's rows when they ask to be forgotten."""

    DELETE = "delete"
    DETACH = "detach"
    """The row stays, its owner column becomes null."""
    KEEP = "keep"
    """Kept for a legal or security reason; the subject is an identifier that no longer resolves."""
    NOT_PERSONAL = "not personal"


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """`owner` names the column with the user's id; `retention_days` None keeps rows until erased or superseded."""

    owner: str | None
    retention_days: int | None
    export: Export
    erasure: Erasure


_PUBLIC = TablePolicy(None, None, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL)

POLICIES: dict[str, TablePolicy] = {
    "users": TablePolicy("id", None, Export.ROWS, Erasure.DELETE),
    "identities": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "role_grants": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "photos": TablePolicy("owner_id", None, Export.ROWS, Erasure.DELETE),
    "photo_variants": TablePolicy(None, None, Export.ROWS, Erasure.DELETE),
    "markets": _PUBLIC,
    "market_redirects": _PUBLIC,
    "market_sightings": _PUBLIC,
    "market_overrides": TablePolicy("set_by", None, Export.ROWS, Erasure.DETACH),
    "geocodes": _PUBLIC,
    "crawl_runs": TablePolicy("requested_by", 365, Export.ROWS, Erasure.DETACH),
    "crawl_sources": TablePolicy(None, 365, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL),
    "crawl_failed_items": TablePolicy(None, 90, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL),
    "crawled_pages": TablePolicy(None, 30, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL),
    "audit_log": TablePolicy("actor_id", 730, Export.ROWS, Erasure.KEEP),
    "domain_events": TablePolicy(None, 90, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL),
    "schema_releases": _PUBLIC,
    # Keys hold addresses and user ids of the last minutes only.
    "rate_limits": TablePolicy(None, 1, Export.NOT_PERSONAL, Erasure.DELETE),
    "rate_windows": TablePolicy(None, 1, Export.NOT_PERSONAL, Erasure.DELETE),
}
