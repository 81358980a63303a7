"""Starts a worker. Its engines load their model while this process loads the libraries of the database."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.signals import ended_by_signal
from loppestars_imaging.engine.pool import EnginePool
from loppestars_imaging.engine.sandbox.layers import hide_memory
from loppestars_imaging.engine.settings import Sandbox
from loppestars_imaging.settings import ImagingSettings


async def start(settings: ImagingSettings) -> ExitCode:
    """Run a worker until SIGTERM or SIGINT; raise OSError where its metrics port cannot be had."""
    stopping = ended_by_signal()
    if settings.engine_sandbox is not Sandbox.OFF:
        hide_memory()  # it holds passwords, and engines run as the same user

    def load() -> Callable[[ImagingSettings, EnginePool, asyncio.Event], Awaitable[ExitCode]]:
        """Import what takes a second; engines are other processes, and start meanwhile."""
        gc.disable()  # modules stay: looking for garbage among them takes a tenth of the time, and finds none
        try:
            from loppestars_imaging.worker.worker import work  # noqa: PLC0415 - see above
        finally:
            gc.freeze()
            gc.enable()
        return work

    engines = EnginePool(settings)
    starting = asyncio.create_task(engines.start())
    try:
        work = await asyncio.to_thread(load)
        return await work(settings, engines, stopping)
    finally:
        starting.cancel()
        # What kept them from starting was said by the worker, which tries again.
        await asyncio.gather(starting, return_exceptions=True)
        await engines.stop()
