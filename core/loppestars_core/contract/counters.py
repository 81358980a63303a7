"""The counters of a crawl: in its record, its termination message, the API's answers and the Crawl's status."""

from typing import Final

COUNT_NAMES: Final = ("seen", "new", "changed", "unchanged", "vanished", "skipped", "failed")
