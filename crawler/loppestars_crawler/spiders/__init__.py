"""Spiders: they fetch pages and hand on what page objects say of them, and decide nothing else."""
