"""Crawls as real processes, and a sample site whose answers a test may replace."""

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from loppestars_crawler.cli import main
from loppestars_local.sample_site.site import Answer, SampleSite
from tests.factories.forked import ForkedProcess

CRAWL_SECONDS = 60
Fault = Callable[[str, int], Answer | None]


def answer_on(part: str, *answers: Answer) -> Fault:
    """Answers for targets that hold `part`: one for each time it is asked, the last one for all later times."""
    return lambda target, asked: answers[min(asked, len(answers) - 1)] if part in target else None


@dataclass
class FaultySite:
    """The sample site with a log of what was asked, and answers that a test may replace."""

    site: SampleSite = field(default_factory=SampleSite)
    faults: list[Fault] = field(default_factory=list)
    delay: float = 0.0
    log: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    moments: list[tuple[str, float]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, target: str, headers: dict[str, str]) -> Answer:
        """Answer as the first fault wants, else as the site does; a fault is told how often it was asked."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.moments.append((target, time.monotonic()))
        time.sleep(self.delay)
        with self._lock:
            asked = sum(one[0] == target for one in self.log)
            found = next((answer for fault in self.faults if (answer := fault(target, asked)) is not None), None)
            answer = found or self.site.respond(target, headers)
            self.log.append((target, headers, answer.status))
            self._at_once -= 1
        return answer

    def asked_for(self, part: str) -> list[tuple[str, dict[str, str], int]]:
        """What was asked with `part` in its path or query."""
        return [one for one in self.log if part in one[0]]


class CrawlProcess:
    """The command in a process of its own."""

    def __init__(self, output: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self._output = output
        self._process = ForkedProcess(main, output, ["loppestars-crawler", *arguments], environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def poll(self) -> int | None:
        """Exit code, or None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Exit code, once it has ended."""
        try:
            return self._process.wait(CRAWL_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(self.output())

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def output(self) -> str:
        """What it has written so far, both streams."""
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""


@dataclass
class Crawler:
    """Starts crawls of a site into a database."""

    url: str
    database_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, command: tuple[str, ...] = ("crawl",), **settings: str) -> "CrawlProcess":
        """A crawl that runs beside the test."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATABASE_URL": self.database_url,
            "MARKEDSKALENDEREN_URL": self.url,
            "LOPPEMARKEDER_URL": self.url,
            "CRAWL_DELAY_SECONDS": "0",
            "RETRY_DELAY": "0.05",
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": "0",
            "TERMINATION_MESSAGE_PATH": str(self.folder / "termination"),
            **self.settings,
            **settings,
        }
        return CrawlProcess(self.folder / f"crawl-{uuid.uuid4().hex[:8]}", [*command, *arguments], environment)

    def crawl(self, *arguments: str, command: tuple[str, ...] = ("crawl",), **settings: str) -> "Crawled":
        """A crawl, or another command, to its end."""
        with self.start(*arguments, command=command, **settings) as process:
            return self.finish(process)

    def finish(self, process: "CrawlProcess") -> "Crawled":
        """Wait for the end of a crawl that was started."""
        exit_code = process.wait()
        told = self.folder / "termination"
        message = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        return Crawled(exit_code, message, process.output())

    def when(self, process: "CrawlProcess", condition: Callable[[], bool]) -> None:
        """Wait until a condition holds while the crawl runs."""
        deadline = time.monotonic() + CRAWL_SECONDS
        while not condition():
            assert process.poll() is None, process.output()
            assert time.monotonic() < deadline, "the crawl never got there"
            time.sleep(0.02)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the crawl's database."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def change(self, statement: str) -> None:
        """Run a statement on the crawl's database."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def value(self, query: str) -> Any:
        """The only value of a query."""
        return self.rows(query)[0][0]

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table that holds what was crawled, without `last_seen_at`."""
        tables = ("markets", "market_sightings", "market_redirects", "market_overrides", "geocodes", "crawled_pages")
        return {
            table: [str(row[0]) for row in self.rows(f"SELECT to_jsonb(t) - 'last_seen_at' FROM {table} t ORDER BY 1")]  # noqa: S608 - our own names
            for table in tables
        }


@dataclass(frozen=True)
class Crawled:
    """How a crawl ended."""

    exit_code: int
    message: dict[str, Any]
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """The counts of its termination message."""
        return self.message["counts"]  # type: ignore[no-any-return]
