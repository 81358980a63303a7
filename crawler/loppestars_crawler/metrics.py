"""What the crawler counts. A crawl is short: its counts also go into its record and its termination message."""

from prometheus_client import Counter, Gauge

ITEMS = Counter("loppestars_crawl_items", "Items of market sites by what came of them", ["source", "result"])
PAGES = Counter("loppestars_crawl_pages", "Answers of market sites by HTTP status", ["source", "status"])
DOUBTS = Counter("loppestars_crawl_address_doubts", "Parts of addresses that did not agree", ["source"])
GEOCODES = Counter("loppestars_crawl_geocodes", "Places looked up by how the point was found", ["provider", "result"])
LAST_SUCCESS = Gauge(
    "loppestars_crawl_last_success_timestamp_seconds", "When a source was last crawled to its end", ["source"]
)
