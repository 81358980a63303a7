"""Which way up a photo lies, and back again."""
