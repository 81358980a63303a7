"""From nothing to Ready, against a real API server, with exactly the rights of the chart."""

import asyncio
from collections import Counter

import pytest

from loppestars_operator.kinds import CRAWL, OWNED_KINDS, STACK, kind_named
from tests.factories.cluster_client import AuditLog, Client, condition, eventually
from tests.factories.operator_process import ACCOUNT, OperatorProcess, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
DEPLOYMENT = kind_named("Deployment")


class TestInstall:
    """From nothing to Ready, against a real API server, with exactly the rights of the chart."""

    async def test_minimal_stack_becomes_ready(
        self, client: Client, operator: OperatorProcess, plane: ControlPlane
    ) -> None:
        """The migration first, then everything; kubectl shows it in one line."""
        await client.apply_stack()
        status = await client.ready()
        assert status["version"] == "0.1.0"
        assert status["phase"] == "Ready"
        assert status["url"] == "http://loppestars.example.com"
        assert condition(status, "DatabaseMigrated")["status"] == "True"
        assert condition(status, "CrawlerScheduled")["message"] == "0 2 * * * Europe/Copenhagen"
        assert [(component["name"], component["ready"]) for component in status["components"]] == [
            ("api", 1),
            ("imaging", 1),
            ("jobs", 1),
        ]
        assert [(entry["version"], entry["result"]) for entry in status["history"]] == [("0.1.0", "Serving")]
        table = kubectl(plane, "-n", client.namespace, "get", "lstack").stdout.splitlines()
        assert table[0].split() == ["NAME", "VERSION", "READY", "API", "IMAGING", "LAST", "CRAWL", "AGE"]
        assert table[1].split()[:3] == ["fair", "0.1.0", "True"]

    async def test_each_object_is_applied_once_and_then_nothing_is_written(
        self, client: Client, operator: OperatorProcess, audit: AuditLog
    ) -> None:
        """One apply an object; once Ready the operator writes nothing but its Lease."""
        began = audit.mark()
        await client.apply_stack(api={"replicas": 2}, imaging={"replicas": 1})
        await client.ready()
        await asyncio.sleep(1)
        writes = Counter(audit.writes(ACCOUNT, began, client.namespace))
        objects = {
            write: count for write, count in writes.items() if not write.startswith(("create events", "patch lopp"))
        }
        assert set(objects.values()) == {1}, objects
        owned = [len(await client.list(kind)) for kind in OWNED_KINDS if not kind.addon]
        # The namespace's own ServiceAccount `default` is nobody's of ours.
        assert sum(owned) - 1 == len(objects)
        idle = audit.mark()
        await asyncio.sleep(4)
        assert audit.writes(ACCOUNT, idle, client.namespace) == []

    async def test_deleting_a_stack_removes_what_it_owns(self, client: Client, operator: OperatorProcess) -> None:
        """Owner references do it; there is no finalizer to wait for."""
        await client.apply_stack()
        await client.ready()
        kinds = [kind for kind in OWNED_KINDS if not kind.addon]
        await client.delete(STACK, "fair")

        async def gone() -> bool:
            left = [await client.list(kind) for kind in kinds]
            return sum(len(item) for item in left) == 1  # the namespace's ServiceAccount

        await eventually(gone, within=30)
        await asyncio.sleep(1)
        assert await gone(), "something came back"

    async def test_two_stacks_in_one_namespace(self, client: Client, operator: OperatorProcess) -> None:
        """Names do not clash, and each has its own status."""
        await client.apply_stack("one")
        await client.apply_stack("two", version="0.1.1")
        assert (await client.ready("one"))["version"] == "0.1.0"
        assert (await client.ready("two"))["version"] == "0.1.1"

    async def test_names_at_their_limits_and_beginning_alike(self, client: Client, operator: OperatorProcess) -> None:
        """40 characters for a stack, 63 with dots for a Crawl; stacks whose names go on where the other's ends."""
        longest = "a" + "-b" * 19 + "c"
        assert len(longest) == 40
        for name in (longest, "fair", "fair-api", "fair-api-api"):
            await client.apply_stack(name, ingress={"host": f"{name}.example.com"})
        crawl = "nightly." + "x" * 42 + "-" + "y" * 12
        assert len(crawl) == 63
        for name, stack in ((crawl, longest), ("same", "fair-api")):
            body = {"apiVersion": CRAWL.api_version, "kind": CRAWL.kind, "spec": {"stackRef": {"name": stack}}}
            metadata = {"name": name, "namespace": client.namespace}
            await client.kube.create(CRAWL.path(client.namespace), body | {"metadata": metadata})
        for name in (longest, "fair", "fair-api", "fair-api-api"):
            await client.ready(name)
        for name in (crawl, "same"):
            await client.crawl_when(name, lambda status: status["state"] == "Succeeded")
        await client.delete(STACK, "fair-api")
        await asyncio.sleep(2)
        for name in ("fair", "fair-api-api"):
            status = await client.ready(name)
            assert [component["ready"] for component in status["components"]] == [1, 1, 1]
            assert await client.get(DEPLOYMENT, f"{name}-imaging")

    async def test_metrics_tell_of_the_stack(self, client: Client, operator: OperatorProcess) -> None:
        """Readiness, writes and the lead are counted."""
        await client.apply_stack()
        await client.ready()
        text = operator.metrics()
        assert f'loppestars_operator_stack_ready{{stack="fair",stack_namespace="{client.namespace}"}} 1.0' in text
        assert 'loppestars_operator_writes_total{kind="Deployment",result="created"}' in text
        assert "loppestars_operator_leader 1.0" in text
        assert operator.ready() == "leading\n"
