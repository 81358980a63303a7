"""Readers of the small texts that market pages are made of: dates, prices, phones, links, words that call off. Pure."""
