"""Colour: what a file says about its numbers becomes a small profile that says the same, or sRGB."""
