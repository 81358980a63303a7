"""Periodic and outgoing work of the platform: what neither a request nor a photo waits for."""
