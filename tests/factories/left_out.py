"""A pytest plugin: at its end a run says what it left out, and why; also when its tests ran in several processes."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import pytest

# The marker of tests that a plain run leaves out, and the command that runs them.
COMMANDS: Final = {
    "cluster": "make test-cluster",
    "faults": "make test-faults",
    "e2e": "make e2e",
    "newcomer": "make test-newcomer",
}
_REPORT: Final = pytest.StashKey[Counter[str]]()
_WORKER_OUTPUT: Final = "left_out"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[_REPORT] = Counter()


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Count what a marker leaves out; what the command line narrows down is not counted."""
    for item in items:
        marker = next((name for name in COMMANDS if item.get_closest_marker(name) is not None), None)
        if marker is not None and marker not in item.config.getoption("-m").replace(f"not {marker}", ""):
            item.config.stash[_REPORT][f"marked {marker}: {COMMANDS[marker]}"] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of a worker process on to the one that prints; all workers have the same."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_OUTPUT] = dict(session.config.stash[_REPORT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the counts of a worker process."""
    counts = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT, {})
    node.config.stash[_REPORT] = Counter(counts) | node.config.stash[_REPORT]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print one line per reason: how many tests it left out."""
    counts = Counter(config.stash[_REPORT])
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        counts[reason.removeprefix("Skipped: ")] += 1
    if counts:
        terminalreporter.section("left out")
        for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
            terminalreporter.line(f"{count:5d}  {reason}")
