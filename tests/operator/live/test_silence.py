"""Connections that die without a word, as behind a NAT that forgot them: watches are replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from loppestars_operator.kinds import kind_named
from loppestars_operator.kube.client import KubeClient
from tests.factories.cluster_client import Client, eventually
from tests.factories.operator_process import operator_in_this_process
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster


class Relay:
    """Leads to the API server; `silence()` lets all connections there are go dead, new ones work."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._age = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def silence(self) -> None:
        self._age += 1

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        there, back = await asyncio.open_connection(*self._target)
        age = self._age
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._copy(reader, back, age), self._copy(there, writer, age))
        finally:
            self._tasks.discard(task)
            back.close()
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, age: int) -> None:
        with contextlib.suppress(OSError):
            while part := await source.read(65536):
                if age == self._age:
                    sink.write(part)
                    await sink.drain()
        sink.close()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def relayed(plane: ControlPlane, folder: Path) -> AsyncIterator[tuple[Relay, KubeClient]]:
    """A client whose connections all go through the relay."""
    config = yaml.safe_load(plane.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    url = urlsplit(cluster["server"])
    relay = Relay(url.hostname or "127.0.0.1", url.port or 443)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    cluster["server"] = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    try:
        async with await KubeClient.connect(str(path)) as kube:
            yield relay, kube
    finally:
        server.close()
        await relay.stop()


class TestSilence:
    async def test_deleted_meanwhile(
        self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is deleted while the watch hears nothing comes back once the silence is too long."""
        # 75 s in the field, where bookmarks come each minute.
        monkeypatch.setattr("loppestars_operator.kube.transport.WATCH_SILENCE_SECONDS", 4.0)
        services = kind_named("Service")
        async with (
            relayed(with_addons, tmp_path) as (relay, kube),
            operator_in_this_process(kube, lone_client.namespace),
        ):
            await lone_client.apply_stack()
            await lone_client.ready(within=60)
            before = await lone_client.get(services, "fair-api")
            relay.silence()
            await lone_client.delete(services, "fair-api")

            async def back() -> bool:
                return await lone_client.get(services, "fair-api") is not None

            assert before
            # The silence, a call on a connection that is as dead, and the next try.
            await eventually(back, within=40)
