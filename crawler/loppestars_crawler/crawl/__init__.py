"""One crawl from its start to its exit code: lock, record, sources one after another, and what is told at the end."""
