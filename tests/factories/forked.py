"""Our programs as processes of their own, forked from one that has imported them: that saves seconds at each start."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

PRELOADED: Final = [
    "loppestars_api.main",
    "loppestars_jobs.main",
    "loppestars_operator.main",
    "loppestars_crawler.crawl.process",
    "scrapy.core.downloader.handlers.http11",
    "scrapy_poet.downloadermiddlewares",
]


class ForkedProcess:
    """The program `main` with these arguments and this environment; both its streams go to a file.

    It offers what `subprocess.Popen` offers, as far as tests need it.
    """

    def __init__(
        self, main: Callable[[], None], output: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._process = context.Process(target=_be, args=(main, output, list(arguments), dict(environment)))
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def poll(self) -> int | None:
        """Exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, once it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def run_forked(
    main: Callable[[], None], output: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a program to its end; return its exit code, and what it printed on both streams."""
    code = ForkedProcess(main, output, arguments, environment).wait(60)
    return code, output.read_text(encoding="utf-8")


def _be(main: Callable[[], None], output: Path, arguments: list[str], environment: dict[str, str]) -> None:
    """Be the program: nothing of the test is left but the file that takes what is printed."""
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", encoding="utf-8")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    main()
