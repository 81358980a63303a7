"""The worker: jobs from the queue, photos through engines, results into storage and the record."""
