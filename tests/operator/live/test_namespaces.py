"""The mode for chosen namespaces: one that cannot be read does not stop the others."""

import asyncio
import time
from pathlib import Path

import pytest

from loppestars_operator.access import rules
from loppestars_operator.kinds import STACK
from tests.factories.cluster_client import Client, condition
from tests.factories.kubelet import FakeKubelet
from tests.factories.operator_process import OperatorProcess, grant, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster


class TestNamespaces:
    """The mode for chosen namespaces: one that cannot be read does not stop the others."""

    async def test_namespace_that_is_gone_is_left_out_until_it_is_back(
        self, client: Client, plane: ControlPlane, kubelet: FakeKubelet, tmp_path: Path
    ) -> None:
        """Its Role went with it, so every call is refused; once it may be read the next process begins with it."""
        user, other = f"some-{client.namespace}", Client(client.kube, f"{client.namespace}-gone")
        await grant(client, user, rules())
        own = {"user": user, "LEASE_NAMESPACE": client.namespace}
        names = f"{client.namespace},{other.namespace}"
        with OperatorProcess(plane, tmp_path / "first.log", WATCH_NAMESPACES=names, **own) as operator:
            operator.wait_for_line("reconciling_started")
            assert operator.wait_for_line("namespace_skipped")["namespace"] == other.namespace
            assert operator.ready() == "leading\n"
            await client.apply_stack()
            await client.ready()
            assert kubectl(plane, "create", "namespace", other.namespace).returncode == 0
            await grant(other, user, rules(), leases=())
            operator.wait_for_line("namespace_readable")
            deadline = time.monotonic() + 20
            while operator.running:
                assert time.monotonic() < deadline, "it goes on without the namespace"
                await asyncio.sleep(0.1)
        with OperatorProcess(plane, tmp_path / "second.log", WATCH_NAMESPACES=names, **own):
            await other.apply_stack()
            await other.ready()

    async def test_without_any_right_it_says_what_it_waits_for(
        self, client: Client, plane: ControlPlane, tmp_path: Path
    ) -> None:
        """In the answer of /ready, which kubectl describe shows."""
        user = f"none-{client.namespace}"
        await grant(client, user, [])
        own = {"user": user, "LEASE_NAMESPACE": client.namespace, "WATCH_NAMESPACES": client.namespace}
        with OperatorProcess(plane, tmp_path / "log", **own) as operator:
            operator.wait_for_line("namespace_skipped")
            assert f"a right to read any of the namespaces {client.namespace}" in operator.ready()

    async def test_status_that_somebody_edits_is_put_right(self, client: Client, operator: OperatorProcess) -> None:
        """A change of the status alone asks for nothing at once, but does not stay."""
        await client.apply_stack()
        await client.ready()
        path = STACK.path(client.namespace, "fair") + "/status"
        edit = {"status": {"version": "9.9.9", "conditions": []}}
        options = {"params": {"fieldManager": "somebody"}, "content_type": "application/merge-patch+json"}
        await client.kube.call("PATCH", path, body=edit, **options)
        status = await client.stack_when(lambda status: status["version"] == "0.1.0", within=10)
        assert condition(status, "Ready")["status"] == "True"
