"""What the downloader middlewares need to know of the spider whose requests they see."""

from typing import Protocol, runtime_checkable

from loppestars_crawler.fetching.stored_pages import StoredPages
from loppestars_crawler.sites import Site


class Stoppable(Protocol):
    """Whatever says that nothing more is wanted."""

    @property
    def stopped(self) -> bool:
        """Whether the limit is reached or the crawl is ending."""


@runtime_checkable
class SiteSpider(Protocol):
    """A spider of one site, with the bounds within which it fetches."""

    name: str
    site: Site
    pages: StoredPages
    max_pages: int

    @property
    def sink(self) -> Stoppable:
        """Where the spider's items go."""
