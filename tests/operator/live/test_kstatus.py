"""Helm, and whoever else judges by kstatus: a stack is installed once it is Ready, and has failed once it stalls."""

import asyncio
import subprocess
from typing import Any

import pytest

from loppestars_operator.kinds import STACK
from tests.factories.cluster_client import Client, condition
from tests.factories.operator_process import CHARTS, OperatorProcess
from tools.cluster import tools
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
VALUES = ("spec.version=0.1.0", "spec.ingress.host=fair.example.com", "spec.storage.s3.endpoint=http://s3:7070")


async def install(plane: ControlPlane, client: Client, *values: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """Install the chart of a stack, and wait as Helm does."""
    command = [str(tools.find(["helm"])["helm"]), "install", "fair", str(CHARTS / "loppestars-stack"), "--wait"]
    command += [f"--kubeconfig={plane.kubeconfig}", f"--namespace={client.namespace}", f"--timeout={seconds}s"]
    command += [part for value in (*VALUES, *values) for part in ("--set", value)]
    run: Any = lambda: subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: E731 - for a thread
    done: subprocess.CompletedProcess[str] = await asyncio.to_thread(run)
    return done


class TestHelmWaits:
    async def test_without_an_operator(self, lone_client: Client, with_addons: ControlPlane) -> None:
        """An object that nothing has looked at is not there yet."""
        done = await install(with_addons, lone_client, seconds=4)
        assert done.returncode != 0
        live = await lone_client.get(STACK, "fair")
        assert live
        assert live["status"] == {"observedGeneration": -1}

    async def test_ready(self, client: Client, plane: ControlPlane, operator: OperatorProcess) -> None:
        """It returns when the stack serves, not before."""
        assert operator.running
        done = await install(plane, client, seconds=60)
        assert done.returncode == 0, done.stderr
        assert condition(((await client.get(STACK, "fair")) or {})["status"], "Ready")["status"] == "True"

    async def test_stalled(self, client: Client, plane: ControlPlane, operator: OperatorProcess) -> None:
        """It fails, and does not wait for what only a person can mend."""
        assert operator.running
        done = await install(plane, client, "spec.crawler.timeZone=Mars/Olympus", seconds=60)
        assert done.returncode != 0
        status = ((await client.get(STACK, "fair")) or {})["status"]
        assert condition(status, "Stalled")["status"] == "True"
