"""What happens to pods from outside: their Secrets change, their memory runs out."""

from __future__ import annotations

import base64
import threading
import time
from typing import TYPE_CHECKING

import pytest

from k8s.local.errors import CommandFailed
from k8s.local.paths import REPOSITORY
from tests.e2e.support.cluster import restarts_of
from tests.e2e.support.figures import measured
from tests.e2e.support.photos import PhotoBucket, face_photos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support.cluster import Cluster
    from tests.e2e.support.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.fixture
def reads_secrets(operator: Cluster, images: str) -> Iterator[Cluster]:
    """The operator with `readSecrets: true`, as its chart offers it."""
    chart = str(REPOSITORY / "charts" / "loppestars-operator")
    common = ("upgrade", "loppestars-operator", chart, "--wait", "--timeout=120s", f"--set=image.tag={images}")
    operator.helm(*common, "--set=readSecrets=true")
    yield operator
    operator.helm(*common)


def uids(stack: Stack, component: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.pods(component)}


def test_a_rotated_secret_rolls_the_pods_that_use_it(stack: Stack, reads_secrets: Cluster) -> None:
    """New tokens are accepted by new API pods; imaging does not use that Secret and stays."""
    stack.wait_ready()
    time.sleep(5)  # pods learn once of what the operator may now see
    stack.wait_ready()
    api, imaging = uids(stack, "api"), uids(stack, "imaging")
    old = stack.cluster.get("secret", "loppestars-jwt")["data"]
    new = base64.b64encode(b"another-development-only-secret-of-32-bytes").decode()
    stack.cluster.patch("secret", "loppestars-jwt", {"data": {"secret": new}})
    took = stack.cluster.until(
        lambda: not uids(stack, "api") & api and len(uids(stack, "api")) >= len(api), "new API pods", 120
    )
    stack.wait_ready()
    measured(f"all API pods were new after {took:.0f} s")
    assert uids(stack, "imaging") == imaging
    refused = stack.ingress.get("/scraper/runs", headers={"Authorization": f"Bearer {stack.token('visitor-1')}"})
    assert refused.status == 401, "a token of the old secret"
    api = uids(stack, "api")
    stack.cluster.patch("secret", "loppestars-jwt", {"data": old})
    stack.cluster.until(
        lambda: not uids(stack, "api") & api and len(uids(stack, "api")) >= len(api), "API pods with the old one", 120
    )
    stack.wait_ready()


def test_photos_of_a_worker_that_ran_out_of_memory(stack: Stack) -> None:
    """The kernel ends a worker's container amid its photos: each gets its result, the API never restarts."""
    stack.change(imaging={"replicas": 2})
    stack.cluster.until(lambda: len(stack.pods("imaging")) == 2, "two imaging pods", 60)
    stack.wait_ready()
    bucket, photo, user = PhotoBucket.of(stack), face_photos()[0].read_bytes(), "memory-1"
    paths = [bucket.upload(user, photo, number=number) for number in range(6)]
    answers: dict[str, int] = {}

    def ask(path: str) -> None:
        answers[path] = stack.process(path, user).status

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    victim = stack.pods("imaging")[0]["metadata"]["name"]
    with pytest.raises(CommandFailed):
        stack.cluster.kubectl("exec", victim, "--", "python", "-c", "block = bytearray(4 << 30)")
    for thread in threads:
        thread.join(120)
    deadline = time.monotonic() + 120
    while (late := [path for path, status in answers.items() if status in {503, 504}]) and time.monotonic() < deadline:
        time.sleep(1)
        for path in late:
            ask(path)
    assert set(answers.values()) == {200}, answers
    (status,) = stack.cluster.get("pod", victim)["status"]["containerStatuses"]
    ended = status["lastState"].get("terminated") or status["state"].get("terminated") or {}
    assert ended.get("reason") == "OOMKilled", status
    assert restarts_of(stack.pods("api")) == 0
    stack.change(imaging={"replicas": None})
    stack.wait_ready()
