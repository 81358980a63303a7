"""Events that come late or never: what is not there any more is neither started nor written to."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import CRAWL, STACK, Manifest, ObjectKey, kind_named
from loppestars_operator.kube.discovery import Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import StackKey
from loppestars_operator.reconcile.reconciler import Reconciler
from loppestars_operator.reconcile.secrets import SecretReader
from loppestars_operator.reconcile.status_writer import write_status
from tests.factories.cluster_client import Client
from tests.factories.operator_process import OperatorProcess, operator_in_this_process
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
ELSE = "0b9e3f1c-1a2b-4c3d-8e4f-5a6b7c8d9e0f"


def reconciler(client: Client, resources: CustomResourceCache) -> Reconciler:
    kube = client.kube
    recorder, secrets = Recorder(kube, "tests"), SecretReader(kube, enabled=False)
    return Reconciler(kube, OwnedCache(), resources, Discovery(kube), recorder, secrets)


async def make_crawl(client: Client, name: str, **spec: Any) -> Manifest:
    body = {
        "apiVersion": CRAWL.api_version,
        "kind": CRAWL.kind,
        "metadata": {"name": name, "namespace": client.namespace},
        "spec": {"stackRef": {"name": "fair"}, **spec},
    }
    return await client.kube.create(CRAWL.path(client.namespace), body)


class TestMissedEvents:
    """Events that come late or never: what is not there any more is neither started nor written to."""

    async def test_crawl_that_is_told_of_before_its_stack(self, lone_client: Client) -> None:
        """At the start of the operator the two kinds are listed side by side: the Crawl is no orphan."""
        await lone_client.apply_stack()
        resources = CustomResourceCache()
        key = resources.put_crawl(await make_crawl(lone_client, "early"))
        await reconciler(lone_client, resources).reconcile(key)
        status = await lone_client.crawl_when("early", lambda status: status["state"] == "Pending")
        assert status["message"] == "waits for the migration of the database"

    async def test_crawl_whose_deletion_was_missed(self, lone_client: Client) -> None:
        """No Job is made for it, and the stack goes on."""
        await lone_client.apply_stack()
        async with operator_in_this_process(lone_client.kube, lone_client.namespace):
            await lone_client.ready()
        resources = CustomResourceCache()
        key = resources.put_crawl(await make_crawl(lone_client, "ghost"))
        await lone_client.delete(CRAWL, "ghost")
        for _ in range(2):
            await reconciler(lone_client, resources).reconcile(key)
        assert resources.crawls(key) == []
        jobs = [job["metadata"]["name"] for job in await lone_client.list(kind_named("Job"))]
        assert [name for name in jobs if name.startswith("ghost")] == []
        assert await lone_client.list(CRAWL) == []

    async def test_stack_whose_deletion_was_missed(self, lone_client: Client) -> None:
        """Nothing of it comes back."""
        body = await lone_client.apply_stack()
        await lone_client.delete(STACK, "fair")
        resources = CustomResourceCache()
        key = resources.put_stack(body)
        await reconciler(lone_client, resources).reconcile(key)
        assert resources.stack(key) is None
        assert await lone_client.list(kind_named("NetworkPolicy")) == []

    @pytest.mark.parametrize("kind", [STACK, CRAWL], ids=lambda kind: kind.kind)
    async def test_status_meant_for_an_earlier_object_of_that_name(self, lone_client: Client, kind: Any) -> None:
        """It is taken back: a new stack must not believe that its database was migrated."""
        await lone_client.apply_stack()
        await make_crawl(lone_client, "fair")
        status = {"url": "https://old.example.com"} if kind is STACK else {"state": "Failed"}
        key = ObjectKey(kind.kind, lone_client.namespace, "fair")
        await write_status(lone_client.kube, kind, key, ELSE, status)
        live = await lone_client.get(kind, "fair")
        assert live
        # A stack begins with the status of its schema: not yet observed.
        assert live.get("status") in (None, {}, {"observedGeneration": -1})
        await write_status(lone_client.kube, kind, key, live["metadata"]["uid"], status)
        assert ((await lone_client.get(kind, "fair")) or {})["status"] == live.get("status", {}) | status

    async def test_lists_find_what_was_missed(self, lone_client: Client) -> None:
        """By name, at the list's version: what was written after it stays."""
        stack, crawl = await lone_client.apply_stack(), await make_crawl(lone_client, "one")
        resources = CustomResourceCache()
        resources.put_stack(stack)
        gone = {**crawl, "metadata": {**crawl["metadata"], "name": "gone"}}
        newer = {**crawl, "metadata": {**crawl["metadata"], "name": "newer", "resourceVersion": "99999999"}}
        for body in (crawl, gone, newer):
            key = resources.put_crawl(body)
        names, version = await lone_client.kube.list_names(CRAWL.path(lone_client.namespace))
        assert names == {(lone_client.namespace, "one")}
        assert resources.keep_crawls(lone_client.namespace, names, version) == {key}
        assert {crawl["metadata"]["name"] for crawl in resources.crawls(key)} == {"one", "newer"}
        names, version = await lone_client.kube.list_names(STACK.path(lone_client.namespace))
        assert resources.keep_stacks(lone_client.namespace, {StackKey(*name) for name in names}, version) == set()
        assert resources.keep_stacks(lone_client.namespace, set(), version) == {key}

    async def test_resync_of_a_process(self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path) -> None:
        """With stacks and without Crawls, with Crawls and without stacks, with neither: it goes on."""
        names, version = await lone_client.kube.list_names(CRAWL.path(lone_client.namespace))
        assert (names, int(version) > 0) == (set(), True)
        with OperatorProcess(
            with_addons, tmp_path / "log", RESYNC_SECONDS="10", WATCH_NAMESPACES=lone_client.namespace
        ) as operator:
            operator.wait_for_line("reconciling_started")
            await asyncio.sleep(11)
            await lone_client.apply_stack()
            await lone_client.ready()
            await asyncio.sleep(10)
            await lone_client.delete(STACK, "fair")
            await make_crawl(lone_client, "waits")
            await asyncio.sleep(10)
            assert operator.running, operator.text()
            assert not {"resync_incomplete", "deletion_missed"} & {line["event"] for line in operator.lines()}
