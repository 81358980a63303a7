"""Standard streams that are closed, or whose reader has gone, must not end work that is done."""

import os
import sys
from typing import TextIO


def open_missing_streams() -> None:
    """Open what the caller has closed (`2>&-`), or the next pipe would get its number, and what is written to it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            os.dup2(opened, number)
            os.set_inheritable(number, True)  # noqa: FBT003 - its only argument
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - stays open with the process


def tell(stream: TextIO, line: str) -> None:
    """Write a line, never wrapped: paths are copied from it."""
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError:  # `| head`: nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
