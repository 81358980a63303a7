"""The job queue in PostgreSQL, and the kinds of jobs in it."""
