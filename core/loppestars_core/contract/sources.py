"""Sources: the names that every crawler knows, and the kinds that need no code; a stack may add its own."""

from enum import StrEnum
from typing import Final

BUILT_IN_SOURCES: Final = ("markedskalenderen", "loppemarkeder")


class SourceType(StrEnum):
    """How a source is read."""

    MARKEDSKALENDEREN = "markedskalenderen"
    LOPPEMARKEDER = "loppemarkeder"
    JSONLD = "jsonld"
    """Pages, lists and sitemaps with events in JSON-LD; of a page without any, in microdata or as h-events."""
    MICRODATA = "microdata"
    """The same with events in microdata or as h-events, whatever JSON-LD a page has besides."""
    ICS = "ics"
    """Calendars that phones subscribe to."""

    @property
    def built_in(self) -> bool:
        """Whether only the source of that name is read so."""
        return self.value in BUILT_IN_SOURCES
