"""The whole platform on one machine, without containers."""
