"""What pages that list markets share: each entry became a market or a problem."""

from typing import Generic, TypeVar

from web_poet import field

from loppestars_crawler.items import ListedMarket, Outcome, Problem
from loppestars_crawler.pages.html import TextPage

Item = TypeVar("Item")
Entry = ListedMarket | Problem


class NotUnderstood(Exception):
    """An entry that is not a market, why, and how it is counted."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class ListingPage(TextPage[Item], Generic[Item]):
    """Its subclass says the entries, in the order of the page."""

    def entries(self) -> list[Entry]:
        """Return every entry, each read once."""
        raise NotImplementedError

    @field
    def markets(self) -> tuple[ListedMarket, ...]:
        return tuple(entry for entry in self.entries() if isinstance(entry, ListedMarket))

    @field
    def problems(self) -> tuple[Problem, ...]:
        return tuple(entry for entry in self.entries() if isinstance(entry, Problem))
