"""Looks at covered areas again."""
