"""Engines: processes that hold one photo at a time, so that a photo that breaks one breaks nothing else.

`process` is the engine itself, `messages` is what goes over its pipes, `pool` is its parent's side.
"""
