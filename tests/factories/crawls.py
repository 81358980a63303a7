"""Crawls as real processes, and a sample site whose answers a test may replace."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from loppestars_crawler.sample_site.site import Answer, SampleSite

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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, target: str, headers: dict[str, str]) -> Answer:
        """Answer as the first fault wants, else as the site does; a fault is told how often it was asked."""
        time.sleep(self.delay)
        with self._lock:
            asked = sum(one[0] == target for one in self.log)
            found = next((answer for fault in self.faults if (answer := fault(target, asked)) is not None), None)
            answer = found or self.site.respond(target, headers)
            self.log.append((target, headers, answer.status))
        return answer

    def asked_for(self, part: str) -> list[tuple[str, dict[str, str], int]]:
        """What was asked with `part` in its path or query."""
        return [one for one in self.log if part in one[0]]


@dataclass
class Crawler:
    """Starts crawls of a site into a database."""

    url: str
    database_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        """A crawl that runs beside the test."""
        environment = {
            **{
                name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHON", "LANG", "HOME"))
            },
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
        command = [sys.executable, "-m", "loppestars_crawler.main", "crawl", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def crawl(self, *arguments: str, **settings: str) -> "Crawled":
        """A crawl to its end."""
        with self.start(*arguments, **settings) as process:
            return self.finish(process)

    def finish(self, process: "subprocess.Popen[str]") -> "Crawled":
        """Wait for the end of a crawl that was started."""
        output, errors = process.communicate(timeout=CRAWL_SECONDS)
        told = self.folder / "termination"
        message = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        return Crawled(process.returncode, message, output, errors)

    def kill_when(
        self, process: "subprocess.Popen[str]", condition: Callable[[], bool], number: signal.Signals
    ) -> None:
        """Send a signal as soon as a condition holds."""
        deadline = time.monotonic() + 20
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the crawl never got there"
            time.sleep(0.02)
        process.send_signal(number)

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
    errors: str

    @property
    def counts(self) -> dict[str, int]:
        """The counts of its termination message."""
        return self.message["counts"]  # type: ignore[no-any-return]
