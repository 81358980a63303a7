"""Two replicas: one leads, the other takes over; a restart writes nothing."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loppestars_operator.access import rules
from loppestars_operator.kinds import LEASE, STACK, Manifest, kind_named
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.kube.lease import LeaderElector, LeaseLost
from tests.factories.cluster_client import Client, condition, eventually
from tests.factories.control_plane import running_control_plane
from tests.factories.kubelet import FakeKubelet, Outcome, healthy
from tests.factories.operator_process import OperatorProcess, grant, install_chart, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
WRITES = {"object_created", "object_configured", "object_deleted", "status_written"}
TAKES_OVER_WITHIN = 20.0


@pytest.fixture
def empty_plane() -> Iterator[ControlPlane]:
    """A control plane in which no other operator is at work: it would finish what a leader leaves."""
    with running_control_plane(controllers=True, admission_plugins="") as plane:
        install_chart(plane)
        yield plane


async def check_takeover(client: Client, plane: ControlPlane, kubelet: FakeKubelet, tmp_path: Path) -> None:
    """The body of the test above."""
    user = f"pair-{client.namespace}"
    await grant(client, user, rules())
    own = {"user": user, "LEASE_NAMESPACE": client.namespace, "WATCH_NAMESPACES": client.namespace}
    held: dict[str, Outcome] = {}

    def rule(pod: Manifest) -> Outcome:
        return held.get(pod["metadata"]["labels"]["app.kubernetes.io/component"], healthy(pod))

    held["migrate"] = None
    kubelet.rules[client.namespace] = rule
    leader = OperatorProcess(plane, tmp_path / "leader.log", **own)
    leader.wait_for_line("reconciling_started")
    standby = OperatorProcess(plane, tmp_path / "standby.log", **own)
    standby.wait_for_line("metrics_served")
    await client.apply_stack(api={"replicas": 1}, imaging={"replicas": 1})
    await client.stack_when(lambda status: status["phase"] == "Migrating")
    assert standby.ready() == "standby\n"
    leader.kill()
    held.clear()
    began = time.monotonic()
    await client.ready(within=TAKES_OVER_WITHIN)
    assert time.monotonic() - began < TAKES_OVER_WITHIN
    await asyncio.sleep(1)
    assert standby.stop() == 0
    # Released by the one that ended gently: nobody waits for the Lease to run out.
    (lease,) = await client.list(LEASE)
    assert lease["spec"]["holderIdentity"] == "", standby.text()
    deployments = await client.list(kind_named("Deployment"))
    with OperatorProcess(plane, tmp_path / "again.log", **own) as again:
        again.wait_for_line("reconciling_started")
        await asyncio.sleep(3)
        assert 'reconciles_total{result="succeeded"} 0' not in again.metrics()
        writes = [line for line in again.lines() if line["event"] in WRITES]
        assert writes == []
    after = await client.list(kind_named("Deployment"))
    assert [deployment["metadata"]["resourceVersion"] for deployment in after] == [
        deployment["metadata"]["resourceVersion"] for deployment in deployments
    ]


class TestElector:
    async def test_one_holder_at_a_time(self, client: Client) -> None:
        """The second gets it when the first releases it, at once."""
        one = LeaderElector(client.kube, client.namespace, "lead", "one")
        two = LeaderElector(client.kube, client.namespace, "lead", "two")
        await one.acquire()
        waiting = asyncio.create_task(two.acquire())
        await asyncio.sleep(3)
        assert not waiting.done()
        await one.release()
        await asyncio.wait_for(waiting, 4)
        lease = await client.get(LEASE, "lead")
        assert lease
        assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("two", 1)

    async def test_a_late_renewal_does_not_spoil_the_release(self, client: Client) -> None:
        """A renewal that the server takes between the two calls of a release: the release is made again."""
        elector = LeaderElector(client.kube, client.namespace, "lead", "one")
        await elector.acquire()
        read, late = client.kube.get, ["a renewal"]

        async def get(path: str) -> Manifest:
            lease = await read(path)
            if late:
                late.pop()
                await client.patch(LEASE, "lead", {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}})
            return lease

        client.kube.get = get  # type: ignore[method-assign]  # the server's own timing cannot be arranged
        await elector.release()
        client.kube.get = read  # type: ignore[method-assign]
        lease = await client.get(LEASE, "lead")
        assert lease
        assert not lease["spec"].get("holderIdentity")

    async def test_nothing_is_written_once_it_may_have_run_out(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also in the moments before the process has noticed; reading is free."""
        elector = LeaderElector(client.kube, client.namespace, "lead", "one")
        await elector.acquire()
        assert elector.is_held()
        monkeypatch.setattr(client.kube, "may_write", elector.is_held)
        monkeypatch.setattr(elector, "_renewed_at", time.monotonic() - 10)
        with pytest.raises(KubeError, match="may have lost the lead"):
            await client.apply_stack()
        assert await client.list(STACK) == []
        with pytest.raises(LeaseLost, match="held up for longer"):
            await elector.hold()

    async def test_lost_lease_is_noticed(self, client: Client) -> None:
        """Somebody else's name in it ends the holder."""
        elector = LeaderElector(client.kube, client.namespace, "lead", "one")
        await elector.acquire()
        await client.patch(LEASE, "lead", {"spec": {"holderIdentity": "thief"}})
        with pytest.raises(Exception, match="another process holds the lease"):
            await asyncio.wait_for(elector.hold(), 8)


class TestLeading:
    """Two replicas: one leads, the other takes over; a restart writes nothing."""

    async def test_standby_finishes_an_install_whose_leader_was_killed(
        self, empty_plane: ControlPlane, tmp_path: Path
    ) -> None:
        """Kill -9 between the migration and the Deployments; then a gentle end, and a restart that writes nothing."""
        assert kubectl(empty_plane, "create", "namespace", "shop").returncode == 0
        async with await KubeClient.connect(str(empty_plane.kubeconfig)) as kube:
            with FakeKubelet(empty_plane.kubeconfig) as kubelet:
                await check_takeover(Client(kube, "shop"), empty_plane, kubelet, tmp_path)

    async def test_leader_that_was_frozen_writes_nothing(
        self, client: Client, plane: ControlPlane, kubelet: FakeKubelet, tmp_path: Path
    ) -> None:
        """As on a machine that was suspended: when it goes on, another leads, and what it had in hand is lost."""
        user = f"pair-{client.namespace}"
        await grant(client, user, rules())
        own = {"user": user, "LEASE_NAMESPACE": client.namespace, "WATCH_NAMESPACES": client.namespace}
        with OperatorProcess(plane, tmp_path / "frozen.log", **own) as frozen:
            frozen.wait_for_line("reconciling_started")
            with OperatorProcess(plane, tmp_path / "standby.log", **own) as standby:
                await client.apply_stack()
                await client.ready()
                await asyncio.sleep(1)  # until the leader has read the answer to its last write
                os.kill(frozen.pid, signal.SIGSTOP)
                standby.wait_for_line("reconciling_started", timeout=TAKES_OVER_WITHIN)
                await client.delete(kind_named("Service"), "fair-api")
                await client.apply_stack(api={"replicas": 3})
                before = len(frozen.lines())
                os.kill(frozen.pid, signal.SIGCONT)
                deadline = time.monotonic() + 10
                while frozen.running:
                    assert time.monotonic() < deadline, frozen.text()
                    await asyncio.sleep(0.1)
                told = [line["event"] for line in frozen.lines()[before:]]
                assert "process_ended" in told
                assert not WRITES & {*told}, told
                assert standby.running

    async def test_restart_writes_nothing_with_addons_either(
        self, lone_client: Client, with_addons: ControlPlane, tmp_path: Path
    ) -> None:
        """Their kinds are listed before the first pass like all others."""
        gateway = {"parentRefs": [{"name": "public", "sectionName": "https", "redirectSectionName": "http"}]}
        with OperatorProcess(with_addons, tmp_path / "first.log") as first:
            first.wait_for_line("reconciling_started")
            for number in range(3):
                await lone_client.apply_stack(
                    f"fair-{number}", gateway=gateway, imaging={"autoscaling": {"queueDepth": 5}}, api={"replicas": 1}
                )
            for number in range(3):
                await lone_client.ready(f"fair-{number}")
            await asyncio.sleep(1)
        for number in range(3):
            with OperatorProcess(with_addons, tmp_path / f"again-{number}.log") as again:
                again.wait_for_line("reconciling_started")
                await asyncio.sleep(2)
                assert 'reconciles_total{result="succeeded"} 0' not in again.metrics()
                counted = [
                    line for line in again.metrics().splitlines() if line.startswith("loppestars_operator_writes_")
                ]
                assert counted == []

    async def test_addons_are_taken_up_when_their_definitions_appear(
        self, client: Client, operator: OperatorProcess
    ) -> None:
        """A Gateway is asked for before its CRD is there: the status says what to install, and then heals."""
        await client.apply_stack(
            gateway={"parentRefs": [{"name": "public"}]}, api={"replicas": 1}, imaging={"replicas": 1}
        )
        status = await client.stack_when(lambda status: condition(status, "Stalled")["reason"] == "AddOnMissing")
        assert "install Gateway API or remove" in condition(status, "Stalled")["message"]
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": "httproutes.gateway.networking.k8s.io",
                "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
            },
            "spec": {
                "group": "gateway.networking.k8s.io",
                "scope": "Namespaced",
                "names": {"kind": "HTTPRoute", "plural": "httproutes"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
        await client.kube.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        await client.ready(within=60)
        route = kind_named("HTTPRoute")

        async def there() -> bool:
            with contextlib.suppress(KubeError):  # the API server is still getting the new kind's storage ready
                return bool(await client.list(route))
            return False

        await eventually(there)
        await client.delete(route, "fair-api")
        await eventually(there)
