"""Editing JPEG photos in the DCT domain, so that every block that is not treated stays bit-exact."""
