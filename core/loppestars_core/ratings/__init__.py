"""Ratings of markets and stalls by their visitors."""
