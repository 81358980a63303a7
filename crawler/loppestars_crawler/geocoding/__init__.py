"""Where a market is: the source's own point when it can be right, else a looked-up one, else the middle of its town."""
