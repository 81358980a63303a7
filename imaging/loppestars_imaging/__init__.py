"""Imaging worker: makes faces in photos unrecognisable."""
