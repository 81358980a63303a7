"""The operator as a process of its own, with the rights of its chart and no others."""

import asyncio
import contextlib
import copy
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from loppestars_operator.controller import Controller
from loppestars_operator.kube.client import KubeClient
from loppestars_operator.settings import OperatorSettings
from loppestars_operator.spec.policy import Policy
from tests.factories.cluster_client import Client
from tools.cluster import tools
from tools.cluster.control_plane import ControlPlane

CHARTS = Path(__file__).parents[2] / "charts"
NAMESPACE = "loppestars-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:loppestars-operator"
# What the tests' stacks ask for; the default is tested by itself.
WIDE_POLICY = {
    "registries": ["*"],
    "podAnnotations": ["*"],
    "podLabels": ["*"],
    "serviceAccountAnnotations": ["*"],
    "ingressAnnotations": ["*"],
    "priorityClasses": ["*"],
    "nodeLabels": ["*"],
    "tolerationKeys": ["*"],
    "deniedVariables": [],
    "podTemplate": ["*"],
    "secretEndpoints": ["*"],
    "unconfinedEngines": True,
    "openNetwork": True,
}
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")


def kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl as administrator."""
    program = tools.find(["kubectl"])["kubectl"]
    command = [str(program), f"--kubeconfig={plane.kubeconfig}", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)


def chart(name: str, *options: str, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """The manifests of a chart as helm renders them."""
    helm = tools.find(["helm"])["helm"]
    command = [str(helm), "template", name, str(CHARTS / name), "--namespace", namespace, "--kube-version", "1.34.4"]
    rendered = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=True).stdout
    return [document for document in yaml.safe_load_all(rendered) if document]


def install_chart(plane: ControlPlane, *options: str) -> None:
    """Install the operator's chart, its pods aside: the process of the tests stands in for them."""
    # The tests' stacks ask for more than the default policy allows, which has a test of its own.
    rendered = chart("loppestars-operator", "--set=admissionPolicy=Disabled", *options)
    documents = [document for document in rendered if document["kind"] not in {"Deployment", "Pod"}]
    made = kubectl(plane, "create", "namespace", NAMESPACE)
    assert made.returncode == 0 or "AlreadyExists" in made.stderr, made.stderr
    applied = kubectl(
        plane, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(documents)
    )
    assert applied.returncode == 0, applied.stderr


class OperatorProcess:
    """One replica. `with OperatorProcess(plane, log) as operator:` ends it gently; `kill()` does not."""

    def __init__(self, plane: ControlPlane, log: Path, *, user: str = ACCOUNT, **environment: str) -> None:
        self._log = log
        kubeconfig = plane.kubeconfig_for(user, GROUPS if user == ACCOUNT else ())
        settings = {
            "KUBECONFIG": str(kubeconfig),
            "LEASE_NAMESPACE": NAMESPACE,
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": "0",
            "POLICY": json.dumps(WIDE_POLICY),
            "PATH": os.environ["PATH"],
            **environment,
        }
        program = Path(sys.executable).parent / "loppestars-operator"
        self._output = log.open("w")
        self._process = subprocess.Popen([program], env=settings, stdout=self._output, stderr=subprocess.STDOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        return self._wait()

    def kill(self) -> None:
        self._process.kill()
        self._wait()

    def text(self) -> str:
        """The log so far, as it is."""
        return self._log.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def wait_for_line(self, event: str, timeout: float = 30) -> dict[str, Any]:
        """Wait for a log line of that event."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if found := next((line for line in self.lines() if line["event"] == event), None):
                return found
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"no {event!r} within {timeout} s:\n{self._log.read_text()}")

    def metrics(self) -> str:
        """The text of /metrics."""
        return self._get("/metrics")

    def ready(self) -> str:
        """The text of /ready."""
        return self._get("/ready")

    def _get(self, path: str) -> str:
        port = self.wait_for_line("metrics_served")["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                text: str = answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                text = refused.read().decode()
        return text

    def _wait(self) -> int:
        code = self._process.wait(timeout=20)
        self._output.close()
        return code


@contextlib.asynccontextmanager
async def operator_in_this_process(kube: KubeClient, namespace: str) -> AsyncIterator[None]:
    """The controller without an election, for one namespace; kopf finds the cluster by KUBECONFIG."""
    ended = asyncio.Event()
    settings = OperatorSettings(watch_namespaces=(namespace,), policy=Policy.model_validate(WIDE_POLICY))
    task = asyncio.create_task(Controller(kube, settings, "tests", ended.set).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ExceptionGroup):
            await task


async def grant(
    client: Client,
    user: str,
    allowed: list[dict[str, Any]],
    *,
    leases: Sequence[str] = ("get", "create", "update"),
    cluster_wide: bool = False,
) -> None:
    """Give a user these rules, and verbs on Leases, in the test's namespace or in all of them."""
    group = "rbac.authorization.k8s.io"
    rules = copy.deepcopy(allowed)
    if leases:
        rules.append({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": list(leases)})
    kind = "ClusterRole" if cluster_wide else "Role"
    where = "" if cluster_wide else f"/namespaces/{client.namespace}"
    path = f"/apis/{group}/v1{where}/{kind.lower()}"
    metadata = {"name": user} if cluster_wide else {"name": "operator", "namespace": client.namespace}
    role = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": kind, "name": metadata["name"]},
        "subjects": [{"kind": "User", "name": user}],
    }
    await client.kube.create(f"{path}s", role)
    await client.kube.create(f"{path}bindings", binding)
