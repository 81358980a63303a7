"""Exit codes of the commands, the same for every component. The operator reads a crawl's end from them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. Released operators rely on the numbers."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    LOCKED = 3
    INTERRUPTED = 130
    TERMINATED = 143
