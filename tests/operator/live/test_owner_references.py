"""Owner references are put right whether the cluster guards them or not (OwnerReferencesPermissionEnforcement)."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from loppestars_operator.kinds import OWNED_KINDS, STACK, Manifest, kind_named
from loppestars_operator.kube.client import KubeClient
from tests.factories.cluster_client import Client, condition, eventually
from tests.factories.control_plane import running_control_plane
from tests.factories.kubelet import FakeKubelet
from tests.factories.operator_process import OperatorProcess, install_chart, kubectl
from tools.cluster.control_plane import ADMISSION_PLUGINS, ControlPlane

pytestmark = pytest.mark.cluster
SERVICE, ACCOUNT = kind_named("Service"), kind_named("ServiceAccount")


@pytest.fixture(scope="module", params=[ADMISSION_PLUGINS, ""], ids=["guarded", "open"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the plugin or without it, the operator with the rights of its chart, and a kubelet."""
    with running_control_plane(controllers=True, admission_plugins=request.param) as plane:
        install_chart(plane)
        log = tmp_path_factory.mktemp("operator") / "operator.log"
        with FakeKubelet(plane.kubeconfig), OperatorProcess(plane, log) as process:
            process.wait_for_line("reconciling_started")
            yield plane


@pytest.fixture
async def shop(cluster: ControlPlane) -> AsyncIterator[Client]:
    """An administrator in a fresh namespace."""
    namespace = f"shop-{uuid.uuid4().hex[:8]}"
    assert kubectl(cluster, "create", "namespace", namespace).returncode == 0
    async with await KubeClient.connect(str(cluster.kubeconfig)) as kube:
        yield Client(kube, namespace)


def owners(body: Manifest | None) -> list[str]:
    return [owner["uid"] for owner in (body or {"metadata": {}})["metadata"].get("ownerReferences") or ()]


class TestOwnerReferences:
    async def test_orphaned(self, shop: Client, cluster: ControlPlane) -> None:
        """A stack that was deleted without its objects, and applied again, owns them all."""
        await shop.apply_stack()
        # The plugin takes up to half a minute to know a new CRD as an owner.
        await shop.ready(within=60)
        deleted = kubectl(cluster, "-n", shop.namespace, "delete", "lstack", "fair", "--cascade=orphan")
        assert deleted.returncode == 0, deleted.stderr
        assert await shop.get(SERVICE, "fair-api")
        uid = (await shop.apply_stack())["metadata"]["uid"]
        await shop.ready(within=60)

        async def all_owned() -> bool:
            found = [
                body
                for kind in OWNED_KINDS
                if not kind.addon and kind.kind != "Job"
                for body in await shop.list(kind)
                if body["metadata"].get("labels", {}).get("loppestars.dev/stack") == "fair"
            ]
            return len(found) > 15 and all(owners(body) == [uid] for body in found)

        await eventually(all_owned, 30)

    async def test_removed_by_hand(self, shop: Client) -> None:
        """They come back, and so does whatever else was changed of that object."""
        live = await shop.apply_stack()
        await shop.ready(within=60)
        await shop.patch(SERVICE, "fair-api", {"metadata": {"ownerReferences": None}})
        await shop.patch(SERVICE, "fair-api", {"spec": {"selector": {"app.kubernetes.io/component": "imaging"}}})

        async def right() -> bool:
            body = await shop.get(SERVICE, "fair-api")
            selector = (body or {"spec": {"selector": {}}})["spec"]["selector"]
            return owners(body) == [live["metadata"]["uid"]] and selector["app.kubernetes.io/component"] == "api"

        await eventually(right, 20)

    async def test_somebody_elses(self, shop: Client, cluster: ControlPlane) -> None:
        """A ServiceAccount of the same name is not adopted, and outlives the stack."""
        made = kubectl(cluster, "-n", shop.namespace, "create", "serviceaccount", "fair-api")
        assert made.returncode == 0, made.stderr
        await shop.apply_stack()
        status = await shop.stack_when(lambda status: condition(status, "Ready")["reason"] == "NameTaken", within=60)
        assert "fair-api" in condition(status, "Ready")["message"]
        assert owners(await shop.get(ACCOUNT, "fair-api")) == []
        await shop.delete(STACK, "fair")
        await eventually(lambda: gone(shop), 60)
        assert await shop.get(ACCOUNT, "fair-api")


async def gone(shop: Client) -> bool:
    """Whether the garbage collector has been there."""
    return await shop.get(ACCOUNT, "fair-imaging") is None
