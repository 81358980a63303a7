"""One crawl from its start to its exit code: lock, record, sources, and what is reported at the end."""
