"""How long a worker takes from nothing until it takes photos, and an engine until its first photo is done."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from benchmarks.imaging.engines import TASK, cpu_seconds, peak_mib, twelve_megapixels
from benchmarks.imaging.pipelines import worker_settings
from loppestars_core.database.migrate import migrate, migration_engine
from loppestars_imaging.engine.pool import Engine
from loppestars_local.ports import free_ports
from loppestars_local.postgres import EmbeddedPostgres

_PATIENCE: Final = 30.0


def run(rounds: int) -> None:
    """Print medians."""
    data = next(data for name, data in twelve_megapixels() if name == "1 face")
    ready, first = zip(*(asyncio.run(_engine(data)) for _ in range(max(3, rounds // 2))), strict=True)
    print(
        f"\ncold start of an engine: ready after {statistics.median(ready):.2f} s,"
        f" first photo of 12 megapixels done after {statistics.median(first):.2f} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            _migrate(server.url())
            found = [_worker(server.url(), Path(folder)) for _ in range(max(3, rounds // 2))]
        finally:
            server.stop()
    seconds, used, resident = (statistics.median(values) for values in zip(*found, strict=True))
    print(
        f"cold start of a worker: /ready after {seconds:.2f} s ({used:.2f} s of CPU in its own process,"
        f" which takes {resident:.0f} MiB)"
    )


async def _engine(data: bytes) -> tuple[float, float]:
    engine, started = Engine(worker_settings()), time.perf_counter()
    await engine.start()
    ready = time.perf_counter() - started
    await engine.anonymise(data, TASK)
    first = time.perf_counter() - started
    await engine.stop()
    return ready, first


def _migrate(database: str) -> None:
    engine = migration_engine(database)
    with engine.connect() as connection:
        migrate(connection)
    engine.dispose()


def _worker(database: str, folder: Path) -> tuple[float, float, float]:
    """Return the seconds until a worker is ready, and CPU seconds and peak MiB of its own process."""
    port = free_ports(1)[0]
    environment = os.environ | {
        "DATABASE_URL": database,
        "STORAGE_DIR": str(folder),
        "METRICS_PORT": str(port),
        "METRICS_HOST": "127.0.0.1",
    }
    command = [sys.executable, "-c", "from loppestars_imaging.main import main; main()", "work"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _ready(port):
            if time.perf_counter() - started > _PATIENCE or process.poll() is not None:
                raise RuntimeError("the worker does not become ready")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        return seconds, cpu_seconds(process.pid), float(peak_mib(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except (urllib.error.URLError, OSError):
        return False
