"""The S3 server is taken away from a stack that serves: what needs it says so, everything else goes on."""

import re
import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from botocore.exceptions import BotoCoreError

from tests.e2e.support.client import SteadyLoad
from tests.e2e.support.cluster import condition_of, restarts_of
from tests.e2e.support.figures import measured
from tests.e2e.support.photos import PhotoBucket, face_photos
from tests.e2e.support.stack import Stack

pytestmark = pytest.mark.e2e

# Longer than it takes a readiness probe to take a pod out of its Service.
AWAY_SECONDS = 30
READ_METRICS = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090/metrics').read().decode())"


def scale(stack: Stack, replicas: int) -> None:
    stack.cluster.kubectl("scale", "deployment/versitygw", f"--replicas={replicas}")


@pytest.fixture
def away(stack: Stack) -> Iterator[str]:
    """An uploaded photo, and no S3 server any more; it is back afterwards, empty."""
    path = PhotoBucket.of(stack).upload("visitor-s3", face_photos()[0].read_bytes())
    scale(stack, 0)
    stack.cluster.kubectl("wait", "pods", "--selector=app.kubernetes.io/name=versitygw", "--for=delete",
                          "--timeout=60s")  # fmt: skip
    yield path
    scale(stack, 1)
    stack.cluster.kubectl("rollout", "status", "deployment/versitygw", "--timeout=90s")


def storage_is_up(stack: Stack) -> bool:
    """What any API pod says of storage, in the metric that the alert LoppestarsDependencyAway reads."""
    name = stack.pods("api")[0]["metadata"]["name"]
    text = stack.cluster.kubectl("exec", name, "--container=api", "--", "python", "-c", READ_METRICS)
    found = re.search(r'^loppestars_dependency_up\{dependency="storage"\} (\S+)$', text, re.MULTILINE)
    assert found, "the metric is missing"
    return float(found[1]) == 1


def ready_pods(stack: Stack) -> list[str]:
    return sorted(
        pod["metadata"]["name"] for pod in stack.pods("api") if condition_of(pod, "Ready").get("status") == "True"
    )


class TestStorageAway:
    def test_everything_else_goes_on(self, stack: Stack, away: str) -> None:
        """Lists, sign-in and health answer, pods stay Ready; photos are 503, the alert's metric is set; it recovers."""
        signed_in = {"Authorization": f"Bearer {stack.token('visitor-s3')}"}
        before = ready_pods(stack)
        assert before
        with SteadyLoad(stack.ingress, "/markets/today", rate=5) as lists:
            end = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < end:
                assert stack.ingress.get("/health").status == HTTPStatus.OK
                assert stack.ingress.get("/me", headers=signed_in).status == HTTPStatus.OK
                assert stack.ingress.get("/me", headers={"Authorization": "Bearer x"}).status == HTTPStatus.UNAUTHORIZED
                photo = stack.process(away, "visitor-s3")
                assert photo.status == HTTPStatus.SERVICE_UNAVAILABLE, photo.body
                assert int({name.lower(): value for name, value in photo.headers.items()}["retry-after"]) > 0
        assert lists.failures == []
        assert set(lists.answered) == {HTTPStatus.OK}
        measured(f"storage away for {AWAY_SECONDS} s: {lists.total} lists, 0 failed; photos answered 503")
        # The autoscaler may have added one.
        assert {*before} <= {*ready_pods(stack)}
        assert restarts_of(stack.pods("api")) == 0
        assert stack.condition("Ready")["status"] == "True"
        assert stack.ingress.get("/ready").status == HTTPStatus.SERVICE_UNAVAILABLE
        stack.cluster.until(lambda: not storage_is_up(stack), "the metric of storage", 60)
        self._recovers(stack)

    def _recovers(self, stack: Stack) -> None:
        began = time.monotonic()
        scale(stack, 1)
        stack.cluster.kubectl("rollout", "status", "deployment/versitygw", "--timeout=90s")
        stack.cluster.until(lambda: self._answers(stack), "the S3 server's port on the node", 60)
        path = PhotoBucket.of(stack).upload("visitor-s3", face_photos()[0].read_bytes())
        stack.cluster.until(
            lambda: stack.process(path, "visitor-s3").status == HTTPStatus.OK, "a photo after storage is back", 90
        )
        stack.cluster.until(lambda: storage_is_up(stack), "the metric of storage", 60)
        measured(f"storage back: a photo {time.monotonic() - began:.0f} s after it was started again")

    def _answers(self, stack: Stack) -> bool:
        """Return whether the node's rules lead to the new pod, which takes them a moment after it is ready."""
        try:
            PhotoBucket.of(stack).processed()
        except BotoCoreError:
            return False
        return True
