"""Covers faces in pixels; jpeg/edit.py does the same in DCT blocks."""
