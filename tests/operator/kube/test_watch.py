"""Watches that break, as through an ill proxy: lists and watches must not follow each other without end."""

import asyncio
import contextlib
import json
from collections import Counter

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import kind_named
from loppestars_operator.kube.client import KubeClient
from loppestars_operator.kube.transport import HttpTransport
from loppestars_operator.kube.watch import Watcher

SERVICE = kind_named("Service")


ASKED = web.AppKey("asked", Counter[str])
MODE = web.AppKey("mode", str)


async def ill(request: web.Request) -> web.StreamResponse:
    """A list that is empty, and a watch that is over as soon as it began; or no list at all."""
    asked, mode = request.app[ASKED], request.app[MODE]
    asked["watch" if "watch" in request.query else "list"] += 1
    if mode == "watches end" and "watch" in request.query:
        return web.Response(text="")
    if mode == "lists fail":
        return web.json_response({"message": "down"}, status=500)
    if mode == "versions expire" and "watch" in request.query:
        gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old resource version"}}
        return web.json_response(gone, dumps=lambda body: json.dumps(body) + "\n")
    return web.json_response({"metadata": {"resourceVersion": "7"}, "items": []})


class TestWatch:
    """Watches that break, as through an ill proxy: lists and watches must not follow each other without end."""

    @pytest.mark.parametrize("mode", ["watches end", "lists fail", "versions expire"])
    async def test_what_does_not_help_is_backed_off(self, mode: str) -> None:
        """Half a second, one, two …: not some thousand calls in two seconds."""
        app = web.Application()
        asked = app[ASKED] = Counter()
        app[MODE] = mode
        app.router.add_get("/{path:.*}", ill)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with KubeClient(HttpTransport(configuration)) as kube:
            watcher = Watcher(kube, OwnedCache(), lambda _: None)
            task = asyncio.create_task(watcher._keep(SERVICE, None))
            await asyncio.sleep(2)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await runner.cleanup()
        assert 2 <= asked["list"] <= 4
        assert asked["watch"] == (0 if mode == "lists fail" else asked["list"])
