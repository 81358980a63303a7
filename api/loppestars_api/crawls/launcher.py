"""How a crawl is started, whatever runs it: a process next to the API, or a Job in the cluster."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


class LaunchFailed(Exception):
    """The crawl could not be started; the message is for the log and the run's record."""


@dataclass(frozen=True, slots=True)
class CrawlOrder:
    """What to crawl: the pending run's id, its sources (none: all of them) and the most items of each."""

    run_id: UUID
    sources: tuple[str, ...] = ()
    limit: int | None = None


class CrawlLauncher(Protocol):
    async def launch(self, order: CrawlOrder) -> None:
        """Start the crawl and return; raise `LaunchFailed` when it cannot be started."""

    async def cancel(self, run_id: UUID) -> None:
        """Make the run stop soon. Its record already says so; a run that this launcher does not know is fine."""

    async def close(self) -> None:
        """Let go of what runs, at the end of the API's own process."""
