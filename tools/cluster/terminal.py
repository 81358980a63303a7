"""Talking to the person at the terminal. Progress goes to stderr, so that stdout stays usable by `eval`."""

import sys


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
