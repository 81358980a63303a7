"""The jobs worker as a process: it serves its port, runs what is due, survives its database, drains on SIGTERM."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.queue.photo_jobs import has_worker, read_queue_state
from loppestars_jobs.main import main
from loppestars_jobs.settings import JobsSettings
from loppestars_jobs.worker import Worker
from tests.factories.forked import ForkedProcess, run_forked

PROGRAM = str(Path(sys.executable).with_name("loppestars-jobs"))
EVERY_SECOND = "* * * * * *"


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for something that another task brings about."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - it watches another process
            await asyncio.sleep(0.05)


@pytest.fixture
async def worker(database_settings: DatabaseSettings) -> AsyncIterator[Worker]:
    """A worker in this process whose retention is due all the time."""
    settings = JobsSettings(database_url=database_settings.database_url, retention_schedule=EVERY_SECOND)
    stopping = asyncio.Event()
    worker = Worker(settings, stopping)
    running = asyncio.create_task(worker.run())
    yield worker
    stopping.set()
    assert await running == 0


class TestWorker:
    async def test_runs_what_is_due(self, worker: Worker, session: AsyncSession) -> None:
        """Retention runs by its schedule and leaves its log."""

        async def logged() -> bool:
            found = await session.execute(text("SELECT count(*) FROM retention_runs WHERE finished_at IS NOT NULL"))
            return found.scalar_one() > 0

        await until(logged)
        assert worker.readiness().ready

    async def test_is_no_worker_of_photos(self, worker: Worker, session: AsyncSession) -> None:
        """It has a heartbeat in the queue's table, and does not count where photos wait for a worker."""

        async def ready() -> bool:
            return worker.readiness().ready

        await until(ready)
        known = await session.execute(text("SELECT count(*) FROM procrastinate_workers"))
        assert known.scalar_one() == 1
        assert not await has_worker(session)
        assert (await read_queue_state(session)).workers == 0

    async def test_lost_connections(self, worker: Worker, engine: AsyncEngine) -> None:
        """All of its connections are cut: it connects again and goes on."""

        async def ready() -> bool:
            return worker.readiness().ready

        await until(ready)
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'loppestars-queue' AND datname = current_database()"
                )
            )
            before = (await connection.execute(text("SELECT count(*) FROM retention_runs"))).scalar_one()

        async def more() -> bool:
            async with engine.begin() as connection:
                return (await connection.execute(text("SELECT count(*) FROM retention_runs"))).scalar_one() > before + 1

        await until(more)


class TestProgram:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_stops_cleanly(self, database_url: str, tmp_path: Path, number: signal.Signals) -> None:
        """It serves its port until it is asked to stop, and then ends with 0."""
        environment = {**os.environ, "DATABASE_URL": database_url, "METRICS_HOST": "127.0.0.1", "METRICS_PORT": "0"}
        output = tmp_path / "output"
        process = await asyncio.to_thread(ForkedProcess, main, output, ["loppestars-jobs", "work"], environment)

        async def ready() -> bool:
            return output.exists() and "worker_ready" in output.read_text()

        await until(ready, 60)
        events = [json.loads(line) for line in output.read_text().splitlines()]
        (port,) = (event["port"] for event in events if event["event"] == "metrics_served")
        for path in ("health", "ready", "metrics"):
            with await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/{path}") as answer:
                assert answer.status == 200
        process.send_signal(number)
        assert await asyncio.to_thread(process.wait, 30) == 0

    def test_dry_run(self, database_url: str, tmp_path: Path) -> None:
        """It shows each table with what would go, and deletes nothing."""
        code, said = run(tmp_path, database_url, "retention", "--dry-run")
        assert code == 0, said
        assert ["audit_log", "0"] in [line.split("\t") for line in said.splitlines()]

    def test_once(self, database_url: str, tmp_path: Path) -> None:
        """One run by hand, for another program to read."""
        _, said = run(tmp_path, database_url, "retention", "--json")
        assert {"table": "audit_log", "deleted": 0} in json.loads(said)

    @pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--help"], 0), ([], 2), (["rest"], 2)])
    def test_usage(self, tmp_path: Path, arguments: list[str], code: int) -> None:
        """Help and version need no settings; what is not a command is refused."""
        assert run(tmp_path, "", *arguments)[0] == code

    def test_wrong_schedule(self, tmp_path: Path) -> None:
        """A schedule that is not one is refused with its name and what was expected."""
        code, said = run(tmp_path, "postgresql://u@localhost/x", "retention", RETENTION_SCHEDULE="whenever")
        assert code == 2
        assert "RETENTION_SCHEDULE" in said
        assert "cron expression" in said

    def test_installed(self) -> None:
        """The package offers it as a command."""
        done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.startswith("loppestars ")


def run(folder: Path, database_url: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run the program to its end."""
    environment = {**os.environ, "DATABASE_URL": database_url, **variables}
    return run_forked(main, folder / "output", ["loppestars-jobs", *arguments], environment)
