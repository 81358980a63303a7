"""Notifications of people, their preferences, and what is still to be sent."""
