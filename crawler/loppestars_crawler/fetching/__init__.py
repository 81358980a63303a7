"""How pages are fetched: on which host, how politely, and not again when they have not changed."""
