"""HTTP API: markets, photos, crawl runs."""
