"""A real control plane with the operator running in it as its chart allows, and a played kubelet."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from loppestars_operator.kube.client import KubeClient
from tests.factories.cluster_client import AuditLog, Client
from tests.factories.control_plane import running_control_plane
from tests.factories.kubelet import FakeKubelet
from tests.factories.operator_process import OperatorProcess, install_chart, kubectl
from tests.factories.required import leave_out
from tools.cluster import tools
from tools.cluster.addons import crd_files
from tools.cluster.control_plane import ControlPlane
from tools.cluster.errors import LocalClusterError, MissingBinaries


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """A control plane with the chart's CRDs and roles."""
    try:
        tools.find(["helm", "kubectl"])
    except MissingBinaries as missing:
        leave_out(f"needs helm and kubectl: {missing}")
    with running_control_plane(controllers=True, audit=True, admission_plugins="") as plane:
        install_chart(plane)
        yield plane


@pytest.fixture(scope="session")
def with_addons() -> Iterator[ControlPlane]:
    """Another one, with the CRDs of all add-ons and a kubelet."""
    try:
        files = crd_files()
    except (LocalClusterError, OSError) as error:
        leave_out(f"needs the CRDs of the add-ons: {error}")
    with running_control_plane(controllers=True, admission_plugins="") as plane:
        made = kubectl(plane, "apply", "--server-side", *[f"--filename={file}" for file in files])
        assert made.returncode == 0, made.stderr
        install_chart(plane)
        with FakeKubelet(plane.kubeconfig):
            yield plane


@pytest.fixture(scope="session")
def kubelet(plane: ControlPlane) -> Iterator[FakeKubelet]:
    with FakeKubelet(plane.kubeconfig) as kubelet:
        yield kubelet


@pytest.fixture(scope="session")
def operator(
    plane: ControlPlane, kubelet: FakeKubelet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One replica for all tests that do not end it; they use namespaces of their own."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with OperatorProcess(plane, log) as process:
        process.wait_for_line("reconciling_started")
        yield process


@pytest.fixture
async def client(plane: ControlPlane) -> AsyncIterator[Client]:
    """An administrator in a fresh namespace."""
    namespace = f"shop-{uuid.uuid4().hex[:8]}"
    made = kubectl(plane, "create", "namespace", namespace)
    assert made.returncode == 0, made.stderr
    async with await KubeClient.connect(str(plane.kubeconfig)) as kube:
        yield Client(kube, namespace)


@pytest.fixture
async def lone_client(with_addons: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """An administrator in a namespace that no operator looks at yet."""
    namespace = f"lone-{uuid.uuid4().hex[:8]}"
    assert kubectl(with_addons, "create", "namespace", namespace).returncode == 0
    monkeypatch.setenv("KUBECONFIG", str(with_addons.kubeconfig))
    async with await KubeClient.connect(str(with_addons.kubeconfig)) as kube:
        yield Client(kube, namespace)


@pytest.fixture
def audit(plane: ControlPlane) -> AuditLog:
    return AuditLog(plane.audit_log)
