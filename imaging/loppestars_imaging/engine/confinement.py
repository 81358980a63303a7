"""What keeps a process that decodes hostile photos from harming others."""

import resource
import signal

from loppestars_core.kit import processes


def bind_to_parent() -> None:
    """End with the parent, also when it is killed while this process is deep in a decoder."""
    processes.bind_to_parent()
    # Ctrl-C in a terminal is for the parent, which lets photos in hand finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def bound_memory(mebibytes: int) -> None:
    """Let allocations fail beyond the bound instead of letting the machine run out (private data, not mappings)."""
    limit = mebibytes * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
