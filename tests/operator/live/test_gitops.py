"""Deployment tools that apply the same file again and again: defaults make no difference."""

import pytest
import yaml

from tests.factories.cluster_client import Client
from tests.factories.operator_process import kubectl
from tests.factories.stacks import SAMPLES
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
SAMPLE_TEXTS = {
    path.stem: text
    for path in sorted(SAMPLES.glob("*.yaml"))
    if "kind: LoppestarsStack" in (text := path.read_text(encoding="utf-8"))
}


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
