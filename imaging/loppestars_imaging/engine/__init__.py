"""Engines: processes that hold one photo at a time, so that a photo that breaks one breaks nothing else.

`child` is the process, `messages` is what goes over its pipes, `handle` is its parent's side.
"""
