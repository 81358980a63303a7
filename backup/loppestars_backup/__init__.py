"""Backups of an installation: database and buckets that agree, made while it runs, and their restore."""
