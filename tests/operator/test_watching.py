"""Watches that break: through a proxy that ends each stream at once, lists and watches must not follow without end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from aiohttp import web
from kubernetes.aio.client import Configuration

from loppestars_operator.kinds import kind_named
from loppestars_operator.kube import Kube
from loppestars_operator.store import Store
from loppestars_operator.watching import Watcher

SERVICE = kind_named("Service")


async def ends_at_once(request: web.Request) -> web.StreamResponse:
    """A list that is empty, and a watch that is over as soon as it began."""
    asked: Counter[str] = request.app[ASKED]
    if "watch" in request.query:
        asked["watch"] += 1
        return web.Response(text="")
    asked["list"] += 1
    return web.json_response({"metadata": {"resourceVersion": "7"}, "items": []})


ASKED = web.AppKey("asked", Counter[str])


async def test_watch_that_ends_at_once_is_backed_off() -> None:
    """Half a second, one, two …: not some thousand calls in two seconds."""
    app = web.Application()
    asked = app[ASKED] = Counter()
    app.router.add_get("/{path:.*}", ends_at_once)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with Kube(configuration) as kube:
        watcher = Watcher(kube, Store(), lambda _: None)
        task = asyncio.create_task(watcher._keep(SERVICE, None))
        await asyncio.sleep(2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await runner.cleanup()
    assert 2 <= asked["list"] <= 4
    assert asked["watch"] == asked["list"]
