"""Faults of every kind and a hostile client at once; honest clients count what they get: `make chaos MINUTES=15`."""
