"""Notifications: events are read, people are notified, messages leave."""
