"""How far the crawl of the start is, as the database says it."""

from dataclasses import dataclass

import psycopg


@dataclass(frozen=True, slots=True)
class CrawlProgress:
    """Counts of the newest run, and of all markets."""

    done: int
    expected: int | None
    markets: int

    @property
    def text(self) -> str:
        """What is shown while the crawl runs."""
        of = f" of {self.expected}" if self.expected else ""
        return f"crawl: {self.done}{of} markets read" if self.done else "crawl: looking at the market sites"


def crawl_progress(database_url: str) -> CrawlProgress:
    """Read the counts; zeros while the database is away."""
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            run = connection.execute(
                "SELECT done, expected FROM crawl_runs WHERE state <> 'pending' ORDER BY created_at DESC LIMIT 1"
            ).fetchone() or (0, None)
            markets = connection.execute("SELECT count(*) FROM markets").fetchone() or (0,)
    except psycopg.Error:
        return CrawlProgress(0, None, 0)
    return CrawlProgress(int(run[0]), run[1], int(markets[0]))
