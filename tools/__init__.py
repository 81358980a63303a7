"""What developers run besides the product: a cluster of their own, releases."""
