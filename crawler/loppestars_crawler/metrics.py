"""Metrics of the crawler. A crawl is short: its counts are in its record and its termination message too."""

from typing import Final

from prometheus_client import Counter, Gauge

ITEMS: Final = Counter("loppestars_crawl_items", "Items of market sites by what came of them", ["source", "result"])
PAGES: Final = Counter("loppestars_crawl_pages", "Answers of market sites by HTTP status", ["source", "status"])
DOUBTS: Final = Counter("loppestars_crawl_address_doubts", "Parts of addresses that did not agree", ["source"])
GEOCODES: Final = Counter(
    "loppestars_crawl_geocodes", "Places looked up by how the point was found", ["provider", "result"]
)
COVERAGE: Final = Gauge(
    "loppestars_crawl_field_coverage", "Share of the markets of a source that say a field", ["source", "field"]
)
LAST_SUCCESS: Final = Gauge(
    "loppestars_crawl_last_success_timestamp_seconds", "When a source was last crawled to its end", ["source"]
)
