"""Waiting for what was asked for, and telling how it goes."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import typer

Object = dict[str, Any]

_LOOK_SECONDS: Final = 1.0
FINISHED: Final = frozenset({"Succeeded", "Failed", "Cancelled", "Superseded"})


class TooLate(Exception):
    """It did not come about in time."""


def follow(
    read: Callable[[], Object], told: Callable[[Object], str], done: Callable[[Object], bool], seconds: float
) -> Object:
    """Read until it is done, and print each new answer to how it is.

    Raises:
        TooLate: it is not done in so many seconds.
    """
    deadline, last = time.monotonic() + seconds, ""
    while True:
        found = read()
        if (line := told(found)) != last:
            typer.echo(line)
            last = line
        if done(found):
            return found
        if time.monotonic() > deadline:
            raise TooLate(f"not done after {seconds:.0f} s; it goes on without this command")
        time.sleep(_LOOK_SECONDS)


def crawl_line(crawl: Object) -> str:
    """Return how a crawl is."""
    status = crawl.get("status") or {}
    counts = ", ".join(f"{number} {name}" for name, number in (status.get("counts") or {}).items() if number)
    words = [crawl["metadata"]["name"], status.get("state", "Pending"), counts, status.get("message") or ""]
    return "  ".join(filter(None, words))


def job_line(job: Object) -> str:
    """Return how a Job is."""
    return f"{job['metadata']['name']}  {job_end(job) or 'Running'}"


def job_end(job: Object) -> str:
    """Return `Complete` or `Failed`; empty while it runs."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next(
        (
            found["type"]
            for found in conditions
            if found["status"] == "True" and found["type"] in {"Complete", "Failed"}
        ),
        "",
    )


def phase_line(stack: Object) -> str:
    """Return how a stack is."""
    status = stack.get("status") or {}
    ready: Object = next((found for found in status.get("conditions") or () if found["type"] == "Ready"), {})
    return f"{stack['metadata']['name']}  {status.get('phase', '')}  {ready.get('message', '')}".rstrip()


def is_settled(stack: Object, phases: Sequence[str]) -> bool:
    """Return whether the operator has seen the latest change, and the stack is in one of these phases."""
    status = stack.get("status") or {}
    seen = status.get("observedGeneration") == stack["metadata"]["generation"]
    return seen and status.get("phase") in phases
