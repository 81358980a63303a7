"""What keeps a stack from being as its spec says, in words for the person who applied it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an object could not be made as rendered.

    `transient` heals without a person; `timed_out` says that it took seconds to learn of it, as with a webhook that
    hangs.
    """

    reason: str
    message: str
    transient: bool
    component: str | None = None
    timed_out: bool = False
