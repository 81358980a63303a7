"""What happens to pods from outside: their Secrets change, their memory runs out."""

import base64
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.cluster import Cluster, restarts_of
from tests.e2e.support.figures import measured
from tests.e2e.support.photos import PhotosInFlight
from tests.e2e.support.stack import Stack
from tools.cluster.errors import CommandFailed
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e


SEEN = "loppestars.dev/secrets"
# Many small processes: without `memory.oom.group`, as in cgroups of version 1, the kernel ends one process at a time,
# the largest first, and the container's own first process is to be among them.
TOO_MUCH = """
import os, time
for _ in range(80):
    if os.fork() == 0:
        block = b"x" * (30 << 20)
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


def prefer_to_end(pod: dict[str, Any]) -> None:
    """Let the kernel end the first process of a pod's worker first, from outside: within, nobody may touch it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inside = pod["metadata"]["uid"] in (folder / "cgroup").read_text().replace("_", "-")
            if inside and b"loppestars-imaging" in (folder / "cmdline").read_bytes():
                (folder / "oom_score_adj").write_text("1000")
        except OSError:
            continue  # it has ended meanwhile


def seen_secrets(stack: Stack, component: str) -> str:
    """What the pods of a component were told of the Secrets that they use; empty where the operator sees none."""
    deployment = stack.cluster.get("deployment", f"{stack.name}-{component}")
    return str(deployment["spec"]["template"]["metadata"].get("annotations", {}).get(SEEN, ""))


def rolled(stack: Stack, component: str, before: str) -> float:
    """Wait until the pods know of something else than `before` and are all new; returns the seconds it took."""
    took = stack.cluster.until(lambda: seen_secrets(stack, component) != before, f"a new {SEEN} of {component}", 60)
    began = time.monotonic()
    name = f"deployment/{stack.name}-{component}"
    stack.cluster.kubectl("rollout", "status", name, "--timeout=120s", timeout=140)
    return took + time.monotonic() - began


@pytest.fixture
def reads_secrets(stack: Stack, operator: Cluster, images: str) -> Iterator[None]:
    """The operator with `readSecrets: true`, as its chart offers it; pods learn of it once."""
    chart = str(REPOSITORY / "charts" / "loppestars-operator")
    common = (
        "upgrade",
        "loppestars-operator",
        chart,
        "--wait",
        "--timeout=120s",
        f"--set=image.tag={images}",
        f"--values={REPOSITORY / 'k8s/dev/operator-values.yaml'}",
    )

    def change(setting: str) -> None:
        known = {component: seen_secrets(stack, component) for component in ("api", "imaging")}
        operator.helm(*common, f"--set=readSecrets={setting}")
        for component, one in known.items():
            rolled(stack, component, one)
        stack.wait_ready()

    change("true")
    yield
    change("false")


@pytest.fixture
def rotated(stack: Stack) -> Iterator[str]:
    """A new token secret; the old one is put back afterwards."""
    old = stack.cluster.get("secret", "loppestars-jwt")["data"]
    yield base64.b64encode(b"another-development-only-secret-of-32-bytes").decode()
    before = seen_secrets(stack, "api")
    stack.cluster.patch("secret", "loppestars-jwt", {"data": old})
    rolled(stack, "api", before)


def uids(stack: Stack, component: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.pods(component)}


class TestSecretsAndMemory:
    """What happens to pods from outside: their Secrets change, their memory runs out."""

    def test_a_rotated_secret_rolls_the_pods_that_use_it(self, stack: Stack, reads_secrets: None, rotated: str) -> None:
        """Tokens of the old secret are refused by new API pods; imaging does not use that Secret and stays."""
        imaging, before = uids(stack, "imaging"), seen_secrets(stack, "api")
        stack.cluster.patch("secret", "loppestars-jwt", {"data": {"secret": rotated}})
        took = rolled(stack, "api", before)
        measured(f"after a Secret was rotated all API pods were new in {took:.0f} s")
        stack.wait_ready()
        assert uids(stack, "imaging") == imaging
        old = {"Authorization": f"Bearer {stack.token('visitor-1')}"}
        stack.cluster.until(
            lambda: stack.ingress.get("/scraper/runs", headers=old).status == HTTPStatus.UNAUTHORIZED,
            "the refusal of a token of the old secret",
            90,
        )

    def test_photos_of_a_worker_that_ran_out_of_memory(self, stack: Stack) -> None:
        """The kernel ends a worker's container amid its photos: each gets its result, the API never restarts."""
        stack.change(imaging={"replicas": 2})
        stack.cluster.until(lambda: len(stack.pods("imaging")) == 2, "two imaging pods", 60)
        stack.wait_ready()
        with PhotosInFlight(stack, "memory-1", 6) as photos:
            pod = stack.pods("imaging")[0]
            victim = pod["metadata"]["name"]
            prefer_to_end(pod)
            with pytest.raises(CommandFailed):
                stack.cluster.kubectl("exec", victim, "--", "python", "-c", TOO_MUCH)
        assert set(photos.statuses.values()) == {HTTPStatus.OK}, photos.statuses

        def ended() -> str:
            (status,) = stack.cluster.get("pod", victim)["status"]["containerStatuses"]
            return str((status["lastState"].get("terminated") or status["state"].get("terminated") or {}).get("reason"))

        stack.cluster.until(lambda: ended() == "OOMKilled", "the pod's word that it ran out of memory", 30)
        assert restarts_of(stack.pods("api")) == 0
        stack.change(imaging={"replicas": None})
        stack.wait_ready()
