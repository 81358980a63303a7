"""Admission webhooks of somebody else that hang or break off: one namespace suffers, the operator does not."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ClassVar

import pytest

from loppestars_operator.kinds import LEASE, STACK, kind_named
from tests.factories.cluster_client import Client, condition, eventually
from tests.factories.operator_process import NAMESPACE, OperatorProcess, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Ill(asyncio.Protocol):
    """Says nothing, or breaks off with a reset, whose error names a port that is another one each time."""

    open: ClassVar[set[asyncio.Transport]] = set()

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open.add(transport)
        if not self._hangs:
            end_with_reset = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, end_with_reset)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self._transport)


@contextlib.asynccontextmanager
async def webhook(client: Client, *, hangs: bool) -> AsyncIterator[None]:
    """One that is asked about ServiceAccounts and NetworkPolicies of the namespace."""
    server = await asyncio.get_running_loop().create_server(lambda: Ill(hangs=hangs), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rule = {"apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced"}
    hook = {
        "name": "ill.tests.loppestars.dev",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": client.namespace}},
        "rules": [
            rule | {"apiGroups": [""], "resources": ["serviceaccounts"]},
            rule | {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"]},
        ],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 30,
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": client.namespace},
        "webhooks": [hook],
    }
    await client.kube.create(WEBHOOKS, body)
    try:
        await asyncio.sleep(1)  # until the API server asks it
        yield
    finally:
        await client.kube.delete(f"{WEBHOOKS}/{client.namespace}")
        server.close()
        for connection in list(Ill.open):
            connection.abort()
        await asyncio.sleep(0.1)


class TestIllWebhooks:
    """Admission webhooks of somebody else that hang or break off: one namespace suffers, the operator does not."""

    async def test_webhook_that_hangs_does_not_cost_the_lead(
        self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path
    ) -> None:
        """All calls that may be under way at once hang; the Lease is renewed all the same."""
        path = LEASE.path(NAMESPACE, "loppestars-operator")
        async with webhook(lone_client, hangs=True):
            with OperatorProcess(with_addons, tmp_path / "log") as operator:
                operator.wait_for_line("reconciling_started")
                for number in range(4):
                    await lone_client.apply_stack(f"slow-{number}")
                ages = []
                for _ in range(15):
                    await asyncio.sleep(1)
                    lease = await lone_client.kube.get(path)
                    ages.append(lease["spec"]["renewTime"])
                assert operator.ready() == "leading\n", operator.text()
                assert len(set(ages)) > 5

    async def test_stacks_behind_a_webhook_that_hangs_do_not_delay_the_others(
        self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path
    ) -> None:
        """They have shown that their calls take their time: they are given one place at a time, and seldom."""
        other = Client(lone_client.kube, f"{lone_client.namespace}-well")
        assert kubectl(with_addons, "create", "namespace", other.namespace).returncode == 0
        with OperatorProcess(with_addons, tmp_path / "log") as operator:
            operator.wait_for_line("reconciling_started")
            async with webhook(lone_client, hangs=True):
                for number in range(4):
                    await lone_client.apply_stack(f"slow-{number}")
                for number in range(4):
                    await lone_client.stack_when(
                        lambda status: condition(status, "Ready")["reason"] == "ApiError", f"slow-{number}", within=90
                    )
                took = []
                for number in range(3):
                    began = time.monotonic()
                    await other.apply_stack(f"well-{number}")
                    await other.ready(f"well-{number}", within=60)
                    took.append(time.monotonic() - began)
                assert max(took) < 10, took

    async def test_twelve_that_hang_at_first_sight(
        self,
        lone_client: Client,
        with_addons: ControlPlane,
        tmp_path: Path,
        record_property: Callable[[str, object], None],
    ) -> None:
        """Nothing is known of them yet: stacks of another namespace that begin at the same moment go on."""
        other = Client(lone_client.kube, f"{lone_client.namespace}-well")
        assert kubectl(with_addons, "create", "namespace", other.namespace).returncode == 0
        with OperatorProcess(with_addons, tmp_path / "log") as operator:
            operator.wait_for_line("reconciling_started")
            took = []
            for hanging in (0, 12):
                async with webhook(lone_client, hangs=True):
                    for number in range(hanging):
                        await lone_client.apply_stack(f"slow-{number}")
                    began, names = time.monotonic(), [f"well-{hanging}-{number}" for number in range(3)]
                    for name in names:
                        await other.apply_stack(name)
                    for name in names:
                        await other.ready(name, within=60)
                    took.append(time.monotonic() - began)
            record_property("seconds_alone_and_beside", took)
            assert took[1] < 2 * took[0] + 10, took

    async def test_webhook_that_breaks_off_is_not_asked_without_end(
        self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path
    ) -> None:
        """Its error is another one each time: a status that says so must not cause the next try."""
        with OperatorProcess(with_addons, tmp_path / "log") as operator:
            operator.wait_for_line("reconciling_started")
            async with webhook(lone_client, hangs=False):
                await lone_client.apply_stack()
                status = await lone_client.stack_when(lambda status: condition(status, "Ready")["reason"] == "ApiError")
                assert "webhook" in condition(status, "Ready")["message"]
                passes = lambda: sum(line["event"] == "pass_unfinished" for line in operator.lines())  # noqa: E731 - a condition
                began, before = time.monotonic(), passes()
                await asyncio.sleep(10)
                assert passes() - before <= 8, f"{passes() - before} in {time.monotonic() - began:.0f} s"
            # Mended, it goes on by itself.
            await lone_client.ready()
            assert await lone_client.get(STACK, "fair")

    async def test_hiccup_does_not_unready_a_stack(
        self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path
    ) -> None:
        """One refused write that succeeds a moment later; trouble that lasts is told."""
        policies = kind_named("NetworkPolicy")
        with OperatorProcess(with_addons, tmp_path / "log") as operator:
            operator.wait_for_line("reconciling_started")
            await lone_client.apply_stack()
            before = condition(await lone_client.ready(), "Ready")
            async with webhook(lone_client, hangs=False):
                await lone_client.kube.delete(policies.path(lone_client.namespace, "fair-api"))
                operator.wait_for_line("pass_unfinished")

            async def back() -> bool:
                return await lone_client.get(policies, "fair-api") is not None

            await eventually(back)
            await asyncio.sleep(1)
            assert condition(await lone_client.ready(), "Ready") == before
            async with webhook(lone_client, hangs=False):
                await lone_client.kube.delete(policies.path(lone_client.namespace, "fair-api"))
                await lone_client.stack_when(lambda status: condition(status, "Ready")["reason"] == "ApiError")
            await lone_client.ready()
