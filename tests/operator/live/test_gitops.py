"""How deployment tools judge a stack: Helm 4 and kstatus, and that defaults make no difference."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from loppestars_operator.kinds import STACK
from tests.factories.cluster_client import Client
from tests.factories.operator_process import OperatorProcess, kubectl
from tests.factories.stacks import SAMPLES
from tools.cluster import tools
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
CHART = Path(__file__).parents[3] / "charts" / "loppestars-stack"
SAMPLE_TEXTS = {
    path.stem: text
    for path in sorted(SAMPLES.glob("*.yaml"))
    if "kind: LoppestarsStack" in (text := path.read_text(encoding="utf-8"))
}


async def helm_install(plane: ControlPlane, namespace: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Install the stack's chart and wait, as Helm 4 judges."""
    sample = yaml.safe_load((SAMPLES / "01-minimal.yaml").read_text(encoding="utf-8"))
    values = yaml.safe_dump({"name": "fair", "spec": sample["spec"]})
    command = [str(tools.find(["helm"])["helm"]), "install", "fair", str(CHART), "--namespace", namespace, "--wait"]
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig)}
    return await asyncio.to_thread(
        subprocess.run,
        [*command, "--timeout=60s", "--values=-", *options],
        input=values,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


class TestHelm:
    """`helm install --wait`."""

    async def test_waits_for_a_good_stack(self, client: Client, plane: ControlPlane, operator: OperatorProcess) -> None:
        """It returns once the stack is Ready."""
        done = await helm_install(plane, client.namespace)
        assert done.returncode == 0, done.stderr
        stack = await client.get(STACK, "fair")
        assert stack
        assert stack["status"]["phase"] == "Ready"

    async def test_fails_on_a_stalled_one(self, client: Client, plane: ControlPlane, operator: OperatorProcess) -> None:
        """It does not take a stack that waits for a person for installed."""
        done = await helm_install(plane, client.namespace, "--set=spec.crawler.timeZone=Mars/X")
        assert done.returncode != 0
        assert "LoppestarsStack" in done.stderr


class TestDefaults:
    """What the API server fills in is no difference to a tool that applies the same file again."""

    @pytest.mark.parametrize("sample", SAMPLE_TEXTS.values(), ids=SAMPLE_TEXTS.keys())
    async def test_no_difference(self, client: Client, plane: ControlPlane, sample: str) -> None:
        """`kubectl diff`, client-side and server-side, finds nothing after an apply."""
        documents = [body for body in yaml.safe_load_all(sample) if body]
        stacks = [body for body in documents if body["kind"] == "LoppestarsStack"]
        for body in stacks:
            body["metadata"].pop("namespace", None)
        text = yaml.safe_dump_all(stacks)
        for options in ([], ["--server-side", "--force-conflicts"]):
            made = kubectl(plane, "apply", f"--namespace={client.namespace}", *options, "-f", "-", stdin=text)
            assert made.returncode == 0, made.stderr
            found = kubectl(plane, "diff", f"--namespace={client.namespace}", *options, "-f", "-", stdin=text)
            assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr
