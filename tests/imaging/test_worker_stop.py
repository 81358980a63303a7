"""A worker ends when it is told to, also in the moment in which it becomes ready."""

import asyncio
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.work.worker import Worker


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.1])
async def test_it_stops_in_any_moment(database_url: str, tmp_path: Path, moment: float) -> None:
    """A request to stop is not lost while the worker registers itself with the queue."""
    worker = Worker(ImagingSettings(database_url=SecretStr(database_url), storage_dir=str(tmp_path)))
    running = asyncio.create_task(worker.run())
    while not worker.readiness().ready:  # noqa: ASYNC110 - readiness is a state that others poll, too
        await asyncio.sleep(0.001)
    await asyncio.sleep(moment)
    started = time.monotonic()
    worker.stop()
    async with asyncio.timeout(10):
        await running
    assert time.monotonic() - started < 5
