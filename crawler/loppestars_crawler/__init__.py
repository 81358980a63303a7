"""Crawler: keeps the market list true."""
