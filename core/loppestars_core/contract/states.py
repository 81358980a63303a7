"""States of a crawl's record, and who asked for it."""

from enum import StrEnum


class CrawlTrigger(StrEnum):
    """Who asked for a crawl."""

    SCHEDULE = "schedule"
    API = "api"
    CLI = "cli"


class CrawlState(StrEnum):
    """Where a crawl stands; the status of a Crawl resource has the same words with a capital letter."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether the crawl has ended."""
        return self not in {CrawlState.PENDING, CrawlState.RUNNING}
