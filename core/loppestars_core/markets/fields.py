"""The columns of a market that clients read: their order, and what may be done with each. Everything else derives."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    Attributes:
        flag: true or false, and a filter of searches.
        correctable: an admin may correct it.
        searched: its words are found by a search for text.
    """

    name: str
    flag: bool = False
    correctable: bool = True
    searched: bool = False


FIELDS: Final = (
    Field("id", correctable=False),
    Field("external_id", correctable=False),
    Field("name", searched=True),
    Field("municipality", searched=True),
    Field("category"),
    Field("start_date"),
    Field("end_date"),
    Field("address", searched=True),
    Field("city", searched=True),
    Field("postal_code"),
    Field("latitude"),
    Field("longitude"),
    Field("description"),
    Field("organizer_name"),
    Field("organizer_phone"),
    Field("organizer_email"),
    Field("organizer_website"),
    Field("opening_hours"),
    Field("entry_fee"),
    Field("stall_count"),
    Field("has_food", flag=True),
    Field("has_parking", flag=True),
    Field("has_toilets", flag=True),
    Field("has_wifi", flag=True),
    Field("is_indoor", flag=True),
    Field("is_outdoor", flag=True),
    Field("special_features"),
    Field("source_url", correctable=False),
    Field("source_fields", correctable=False),
    Field("scraped_at", correctable=False),
)

COLUMNS: Final = tuple(field.name for field in FIELDS)
FLAGS: Final = tuple(field.name for field in FIELDS if field.flag)
SEARCHED: Final = tuple(field.name for field in FIELDS if field.searched)
# The state is not a field that clients read, but an admin may call a market off.
CORRECTABLE: Final = frozenset({"state", *(field.name for field in FIELDS if field.correctable)})
