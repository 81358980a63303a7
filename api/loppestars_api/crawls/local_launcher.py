"""Crawls as supervised processes next to the API, for one machine.

Each process's output is read as it comes (an unread pipe fills up and stops its writer), its end is waited
for, and a run whose process died without a word is recorded as failed.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.crawls.launcher import CrawlOrder, LaunchFailed
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls import CrawlNotFound, find_run, finish_run
from loppestars_core.database.engine import sessions
from loppestars_core.kit.logging import redact_text

log = structlog.get_logger(__name__)

# Of a process that died, this much of what it said last goes into the run's record.
LAST_LINES: Final = 10
MAX_LINE_BYTES: Final = 64 * 1024
STOP_SECONDS: Final = 10.0
MAX_RESTARTS: Final = 3
"""How often a crawl that was killed is started again."""
# What a crawl that is told to stop ends with: by its own handler, or before it had one.
_CANCELLED: Final = frozenset({ExitCode.INTERRUPTED, ExitCode.TERMINATED, -signal.SIGINT, -signal.SIGTERM})
_RECORD_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class _Running:
    process: asyncio.subprocess.Process
    supervisor: asyncio.Task[None]


class LocalCrawlLauncher:
    """Runs `command crawl --run-id …` with `environment`."""

    def __init__(self, engine: AsyncEngine, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._sessions = sessions(engine)
        self._command = tuple(command)
        self._environment = dict(environment)
        self._running: dict[UUID, _Running] = {}
        self._closing = False

    async def launch(self, order: CrawlOrder) -> None:
        await self._start(order, restarts=0)

    async def _start(self, order: CrawlOrder, restarts: int) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *arguments_of(order),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                limit=MAX_LINE_BYTES,
                # Ctrl-C in a terminal reaches the API, which ends its crawls itself.
                start_new_session=True,
            )
        except OSError as error:
            raise LaunchFailed(f"{self._command[0]} cannot be started: {error.strerror}") from error
        log.info("crawl_started", run_id=str(order.run_id), pid=process.pid)
        supervisor = asyncio.create_task(self._supervise(order, process, restarts), name=f"crawl-{order.run_id}")
        self._running[order.run_id] = _Running(process, supervisor)

    async def cancel(self, run_id: UUID) -> None:
        running = self._running.get(run_id)
        if running is not None:
            _signal(running.process, signal.SIGTERM)

    async def close(self) -> None:
        self._closing = True
        running = list(self._running.values())
        for crawl in running:
            _signal(crawl.process, signal.SIGTERM)
        if running:
            _, late = await asyncio.wait([crawl.supervisor for crawl in running], timeout=STOP_SECONDS)
            for crawl in running:
                if crawl.supervisor in late:
                    _signal(crawl.process, signal.SIGKILL)
            await asyncio.wait([crawl.supervisor for crawl in running], timeout=STOP_SECONDS)

    async def _supervise(self, order: CrawlOrder, process: asyncio.subprocess.Process, restarts: int) -> None:
        run_id = order.run_id
        try:
            said = await _drain(process)
            code = await process.wait()
            log.info("crawl_ended", run_id=str(run_id), exit_code=code)
            if code == -signal.SIGKILL and restarts < MAX_RESTARTS and not self._closing:
                # Out of memory, or somebody's kill -9: the run goes on with what it had not done.
                self._running.pop(run_id)
                await self._start(order, restarts + 1)
                return
            await self._record_end(run_id, code, said)
        finally:
            if (running := self._running.get(run_id)) is not None and running.process is process:
                del self._running[run_id]

    async def _record_end(self, run_id: UUID, code: int, said: Sequence[str]) -> None:
        """Finish the record if the process did not; also when the database is away for a moment."""
        for attempt in range(_RECORD_TRIES):
            try:
                async with self._sessions.begin() as session:
                    run = await find_run(session, run_id)
                    if not CrawlState(run.state).finished:
                        state, error = outcome_of(code, said)
                        await finish_run(session, run_id, state, error=error)
            except (SQLAlchemyError, OSError) as failure:
                log.warning("crawl_end_not_recorded", run_id=str(run_id), error=type(failure).__name__)
                await asyncio.sleep(2**attempt)
            except CrawlNotFound:
                return
            else:
                return


def arguments_of(order: CrawlOrder) -> list[str]:
    """Return the crawler's command line for `order`."""
    arguments = ["crawl", "--run-id", str(order.run_id)]
    for source in order.sources:
        arguments += ["--source", source]
    if order.limit is not None:
        arguments += ["--limit", str(order.limit)]
    return arguments


def outcome_of(code: int, said: Sequence[str]) -> tuple[CrawlState, str]:
    """Return what an unfinished run becomes when its process has ended with `code`."""
    if code in _CANCELLED:
        return CrawlState.CANCELLED, "stopped; what it had stored is kept"
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    last = "\n".join(said)
    return CrawlState.FAILED, f"the crawl's process ended with {how} and left no record" + (
        f":\n{last}" if last else ""
    )


def crawler_environment(database_url: str, direct_url: str | None) -> dict[str, str]:
    """Return our environment for a crawl of its own, which takes a free port for metrics."""
    environment = {**os.environ, "DATABASE_URL": database_url, "METRICS_PORT": "0"}
    if direct_url is not None:
        environment["DATABASE_DIRECT_URL"] = direct_url
    return environment


async def _drain(process: asyncio.subprocess.Process) -> list[str]:
    """Hand each line on to our own output, and return the last ones."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    if process.stdout is None:
        return []
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:  # longer than any log line: the reader has dropped it
            continue
        if not line:
            return list(last)
        text = line.decode("utf-8", "replace").rstrip()
        last.append(redact_text(text)[:500])
        _hand_on(text)


def _hand_on(text: str) -> None:
    """Write a log line of the crawler as it is, anything else as an event of ours."""
    try:
        structured = isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        structured = False
    if structured:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    elif text:
        log.info("crawl_output", line=text[:2000])


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        try:
            process.send_signal(number)
        except ProcessLookupError:
            return
