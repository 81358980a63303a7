"""Organisers: who may speak for a market."""
