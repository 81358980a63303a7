"""A worker ends when it is told to, also in the moment in which it becomes ready."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import CapturingLogger

from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.worker.worker import Worker


class TestStopping:
    @pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.1])
    async def test_stopped_at_any_moment(self, database_url: str, tmp_path: Path, moment: float) -> None:
        """A request to stop is not lost while the worker registers itself with the queue."""
        worker = Worker(ImagingSettings(database_url=SecretStr(database_url), storage_dir=str(tmp_path)))
        running = asyncio.create_task(worker.run())
        while not worker.readiness().ready:  # noqa: ASYNC110 - readiness is a state that others poll, too
            await asyncio.sleep(0.001)
        await asyncio.sleep(moment)
        worker.stop()
        async with asyncio.timeout(10):
            await running

    async def test_stopped_without_database(self, tmp_path: Path) -> None:
        """Whoever stops it does not wait for a server that does not answer."""
        nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/none")
        worker = Worker(ImagingSettings(database_url=nowhere, storage_dir=str(tmp_path)))
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(1.5)
        assert not worker.readiness().ready
        worker.stop()
        async with asyncio.timeout(60):
            await running

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_stopped_while_starting(self, tmp_path: Path, number: signal.Signals) -> None:
        """Its engines start before it can work; none is left behind, and nothing is said but that it stopped."""
        environment = os.environ | {
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "STORAGE_DIR": str(tmp_path),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", "from loppestars_imaging.main import main; main()", "work"],
            env=environment | {"METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        engines: list[str] = []
        while not engines:
            engines = task.read_text().split()
            time.sleep(0.005)
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)  # the pipe ends when the last engine has ended
        assert process.returncode == (-number if number == signal.SIGKILL else 0)
        assert "Traceback" not in said
        if number != signal.SIGKILL:
            last = json.loads(said.splitlines()[-1])
            assert (last["event"], last["photos"]) == ("worker_stopped", 0)

    async def test_unusable_storage_is_logged(
        self, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not by the first photo, minutes later; the worker waits for photos meanwhile."""
        said = CapturingLogger()
        monkeypatch.setattr("loppestars_imaging.worker.worker.log", said)
        (tmp_path / "storage").write_text("a file where the folder should be")
        settings = ImagingSettings(database_url=SecretStr(database_url), storage_dir=str(tmp_path / "storage"))
        worker = Worker(settings)
        running = asyncio.create_task(worker.run())
        while sum(call.method_name == "warning" for call in said.calls) < 2:  # noqa: ASYNC110 - what was said is a state
            await asyncio.sleep(0.01)
        assert worker.readiness().ready
        worker.stop()
        await running
        warned = [call for call in said.calls if call.method_name == "warning"]
        assert {call.kwargs["bucket"] for call in warned} == {settings.originals_bucket, settings.processed_bucket}
        assert all(call.args == ("storage_check_failed",) for call in warned)
