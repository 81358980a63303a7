"""`kubectl loppestars` as people call it: the zip application, through kubectl, against a real API server."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from loppestars_operator.kinds import CRAWL, STACK, kind_named
from tests.factories.cluster_client import Client
from tests.factories.operator_process import OperatorProcess
from tests.factories.stacks import sample
from tools.cluster import tools
from tools.cluster.control_plane import ControlPlane
from tools.plugin import NAME, build

pytestmark = pytest.mark.cluster
POD = kind_named("Pod")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("plugin"))


class Plugin:
    """Runs `kubectl loppestars` in a test's namespace."""

    def __init__(self, program: Path, plane: ControlPlane, client: Client, home: Path) -> None:
        folders = [str(program.parent), str(tools.find(["kubectl"])["kubectl"].parent), os.environ["PATH"]]
        self._client = client
        self._environment = {
            "PATH": ":".join(folders),
            "KUBECONFIG": str(plane.kubeconfig),
            "HOME": str(home),
            "COLUMNS": "200",
        }

    async def __call__(self, *words: str, code: int = 0) -> str:
        command = ["kubectl", NAME.removeprefix("kubectl-"), *words, "-n", self._client.namespace]
        done = await asyncio.to_thread(
            subprocess.run, command, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
async def run(plugin: Path, plane: ControlPlane, client: Client, tmp_path: Path) -> Plugin:
    await client.apply_stack()
    await client.ready()
    return Plugin(plugin, plane, client, tmp_path)


class TestPlugin:
    """Every command, in the order of a day."""

    async def test_looks_and_changes_nothing(
        self, run: Plugin, client: Client, operator: OperatorProcess, tmp_path: Path
    ) -> None:
        """`status` and `plan`: the stack stays as it was asked for; a stack that the server refuses is an error."""
        before = await client.get(STACK, "fair") or {}
        told = await run("status")
        assert told.index("✔ Ready=True") < told.index("components") < told.index("crawls")
        file = tmp_path / "stack.yaml"
        body = sample("01-minimal")
        body["metadata"] = {"name": "fair"}
        file.write_text(yaml.safe_dump(body))
        assert "changes nothing" in await run("plan", "-f", str(file), "--exit-code")
        body["spec"] |= {"version": "0.2.0"}
        file.write_text(yaml.safe_dump(body))
        told = await run("plan", "-f", str(file), "--exit-code", code=3)
        assert "migrates the database" in told
        assert "api:0.2.0" in told
        body["spec"] |= {"api": {"replicas": 2, "autoscaling": {}}}
        file.write_text(yaml.safe_dump(body))
        assert "not both" in await run("plan", "-f", str(file), code=1)
        after = await client.get(STACK, "fair") or {}
        assert after["spec"] == before["spec"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"]

    async def test_crawl(self, run: Plugin, client: Client, operator: OperatorProcess) -> None:
        """It is followed to its end."""
        told = await run("crawl", "--source", "loppemarkeder", "--follow")
        assert "Succeeded" in told
        assert (await client.list(CRAWL))[0]["spec"]["sources"] == ["loppemarkeder"]

    async def test_sleep(self, run: Plugin, client: Client, operator: OperatorProcess) -> None:
        """A restore needs it, and says how; then it wakes."""
        assert "hibernate --wait" in await run("restore", code=1)
        assert "Hibernated" in await run("hibernate", "--wait")
        assert "Ready" in await run("wake", "--wait")
        await run("pause")
        await client.stack_when(lambda status: status["phase"] == "Paused")
        await run("resume", "--wait")
        await run("retry")
        assert "loppestars.dev/retry" in (await client.get(STACK, "fair") or {})["metadata"]["annotations"]

    async def test_wrong_usage(self, run: Plugin, operator: OperatorProcess) -> None:
        """Sentences, not traces."""
        assert "is not a component" in await run("logs", "nonsense", code=2)
        assert "spec.backup makes it" in await run("backup", code=1)
        assert "NotFound" in await run("status", "other", code=1)
