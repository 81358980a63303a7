"""What each table holds of people: its owner, how long rows are kept, and what export and erasure do with them.

A table that is not registered here fails a test, so nobody can add personal data without deciding this.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Export(StrEnum):
    """Whether a person's copy of their data holds these rows."""

    ROWS = "rows"
    NOT_PERSONAL = "not personal"


class Erasure(StrEnum):
    """What happens to a person's rows when they ask to be forgotten."""

    DELETE = "delete"
    DETACH = "detach"
    """The row stays, its owner column becomes null."""
    ANONYMISE = "anonymise"
    """The row stays without its personal columns and belongs to a nameless user of its own."""
    KEEP = "keep"
    """Kept for a legal or security reason; the subject is an identifier that no longer resolves."""
    NOT_PERSONAL = "not personal"


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """Of one table.

    Attributes:
        owner: column with the user's id; None where rows belong to nobody.
        retention_days: rows older than that are deleted by the sweep; None keeps them until erased or superseded.
        export: whether they are part of a person's copy.
        erasure: what happens to them when the person asks to be forgotten.
        since: column from which the age of a row counts; None where rows go with another row, or their writer
            clears them itself.
        through: column and table of the row that this one belongs to, where that one has the owner.
        key: column of text in which the user's id may stand among other words.
        about: columns with the type and the id of what a row is about; theirs are the rows about the user.
        personal: columns that become null when rows are anonymised.
    """

    owner: str | None
    retention_days: int | None
    export: Export
    erasure: Erasure
    since: str | None = None
    through: tuple[str, str] | None = None
    key: str | None = None
    about: tuple[str, str] | None = None
    personal: tuple[str, ...] = ()


_PUBLIC: Final = TablePolicy(None, None, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL)

POLICIES: dict[str, TablePolicy] = {
    "users": TablePolicy("id", None, Export.ROWS, Erasure.DELETE),
    "identities": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "role_grants": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "photos": TablePolicy("owner_id", None, Export.ROWS, Erasure.DELETE),
    "photo_variants": TablePolicy(None, None, Export.ROWS, Erasure.DELETE, through=("photo_id", "photos")),
    "takedowns": TablePolicy(
        None, 365, Export.NOT_PERSONAL, Erasure.DELETE, since="decided_at", through=("photo_id", "photos")
    ),
    "ratings": TablePolicy(
        "user_id", None, Export.ROWS, Erasure.ANONYMISE, personal=("mobilepay_phone", "photo_url", "comment")
    ),
    "favourites": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "app_events": TablePolicy("user_id", 365, Export.ROWS, Erasure.DELETE, since="timestamp"),
    "sessions": TablePolicy("user_id", 90, Export.ROWS, Erasure.DELETE, since="ended_at"),
    "sign_ins": TablePolicy("user_id", 1, Export.NOT_PERSONAL, Erasure.DELETE, since="created_at"),
    "market_claims": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "notifications": TablePolicy("user_id", 365, Export.ROWS, Erasure.DELETE, since="created_at"),
    "notification_deliveries": TablePolicy(
        None, None, Export.ROWS, Erasure.DELETE, through=("notification_id", "notifications")
    ),
    "notification_preferences": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "push_subscriptions": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "event_positions": _PUBLIC,
    "consents": TablePolicy("user_id", None, Export.ROWS, Erasure.DELETE),
    "erasure_requests": TablePolicy("user_id", 365, Export.ROWS, Erasure.DETACH, since="requested_at"),
    "scraping_logs": TablePolicy(None, 365, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL, since="scraped_at"),
    "markets": _PUBLIC,
    "market_redirects": _PUBLIC,
    "market_sightings": _PUBLIC,
    "market_overrides": TablePolicy("set_by", None, Export.ROWS, Erasure.DETACH),
    "market_decisions": TablePolicy("made_by", None, Export.ROWS, Erasure.DETACH),
    "geocodes": _PUBLIC,
    "crawl_runs": TablePolicy("requested_by", 365, Export.ROWS, Erasure.DETACH, since="finished_at"),
    # Go with their run.
    "crawl_sources": TablePolicy(None, 365, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL),
    "crawl_events": TablePolicy(None, 90, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL, since="created_at"),
    "crawl_quarantine": TablePolicy("released_by", 365, Export.ROWS, Erasure.DETACH, since="last_seen_at"),
    "sources": _PUBLIC,
    "crawl_failed_items": TablePolicy(None, 90, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL, since="created_at"),
    "crawled_pages": TablePolicy(None, 30, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL, since="fetched_at"),
    "audit_log": TablePolicy("actor_id", 730, Export.ROWS, Erasure.KEEP, since="at"),
    "domain_events": TablePolicy(
        None, 90, Export.NOT_PERSONAL, Erasure.DELETE, since="at", about=("subject_type", "subject_id")
    ),
    "schema_releases": _PUBLIC,
    "retention_runs": TablePolicy(None, 365, Export.NOT_PERSONAL, Erasure.NOT_PERSONAL, since="finished_at"),
    # Numbers of workers; cleared by the next worker that starts.
    "queue_workers": _PUBLIC,
    # Keys hold addresses and user ids of the last minutes only; the API clears them every minute.
    "rate_limits": TablePolicy(None, 1, Export.NOT_PERSONAL, Erasure.DELETE, key="key"),
    "rate_windows": TablePolicy(None, 1, Export.NOT_PERSONAL, Erasure.DELETE, key="key"),
}
