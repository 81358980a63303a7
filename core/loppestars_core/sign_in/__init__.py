"""Signing in: providers, sessions, and the keys that vouch for them. Nothing here knows how a client speaks."""
