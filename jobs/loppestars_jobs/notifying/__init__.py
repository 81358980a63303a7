"""Notifications: events are read, people are told, messages leave."""
