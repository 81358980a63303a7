"""New versions: good ones without a failed request, bad ones never serve."""

import pytest

from tests.e2e.support.client import SteadyLoad
from tests.e2e.support.figures import measured
from tests.e2e.support.stack import Stack
from tools.cluster import images as image_builds
from tools.cluster.images import COMPONENTS, REGISTRY, Image
from tools.cluster.node import Node
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e

NEXT = "0.1.1"
ENOUGH_REQUESTS = 200


def say(line: str) -> None:
    print(line)  # noqa: T201 - shown when a test fails


@pytest.fixture(scope="module")
def next_version(node: Node, images: str) -> str:
    """The same code as a release of its own: every image under another tag and digest."""
    image_builds.make(COMPONENTS, NEXT, node, say)
    return NEXT


def bad_image(node: Node, name: str, base: str) -> str:
    """Build one of the images in `images/` and put it into the node's registry."""
    directory = REPOSITORY / "tests" / "e2e" / "images" / name
    image = f"{REGISTRY}/{name}:0.1.0"
    build = image_builds.builder(say)
    build.build(Image(name, directory / "Dockerfile", directory), image, {"BASE_IMAGE": f"{REGISTRY}/api:{base}"})
    build.push(image, image.replace(node.registry_for_pulls, node.registry_for_pushes))
    return image


def pods_by_uid(stack: Stack, component: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.pods(component)}


class TestUpgrade:
    """New versions: good ones without a failed request, bad ones never serve."""

    def test_upgrade_without_a_failed_request(self, stack: Stack, images: str, next_version: str) -> None:
        """Migration first, then the pods; 20 requests a second through the ingress are all answered."""
        jobs_before = {job["metadata"]["name"] for job in stack.cluster.list("jobs")}
        with SteadyLoad(stack.ingress, "/health") as load:
            stack.change(version=next_version)
            stack.wait_ready()
            stack.cluster.until(lambda: load.total >= ENOUGH_REQUESTS, "enough requests", 60)
        measured(f"upgrade under load: {load.total} requests, {len(load.failures)} failed")
        assert load.failures == []
        document = stack.read()
        assert document["status"]["version"] == next_version
        assert all(pod["spec"]["containers"][0]["image"].endswith(f":{next_version}") for pod in stack.pods("api"))
        migrations = [job for job in stack.cluster.list("jobs") if job["metadata"]["name"] not in jobs_before]
        migration = next(job for job in migrations if "migrate" in job["metadata"]["name"])
        finished = migration["status"]["completionTime"]
        assert all(pod["metadata"]["creationTimestamp"] >= finished for pod in stack.pods("api"))
        stack.change(version=images)
        stack.wait_ready()

    def test_unchanged_components_are_not_restarted(self, stack: Stack, next_version: str) -> None:
        """A new image of imaging leaves the API's pods alone."""
        api, imaging = pods_by_uid(stack, "api"), pods_by_uid(stack, "imaging")
        stack.change(imaging={"image": f"{REGISTRY}/imaging:{next_version}"})
        stack.wait_ready()
        assert pods_by_uid(stack, "api") == api
        assert not pods_by_uid(stack, "imaging") & imaging
        stack.change(imaging={"image": None})
        stack.wait_ready()

    def test_a_broken_version_is_rolled_back(self, stack: Stack, node: Node, images: str) -> None:
        """What never gets ready does not replace what serves; status says what happened, and nobody noticed."""
        image = bad_image(node, "broken-api", images)
        with SteadyLoad(stack.ingress, "/health") as load:
            stack.change(api={"image": image, "progressDeadlineSeconds": 30})
            found = stack.wait_for("Ready", "False", "RolledBack", seconds=150)
        assert load.failures == []
        assert image in found["message"]
        assert stack.condition("ApiAvailable")["status"] == "True"
        assert stack.read()["status"]["version"] == images
        stack.change(api={"image": None, "progressDeadlineSeconds": None})
        stack.wait_ready()

    def test_a_failed_migration_keeps_the_old_version(self, stack: Stack, node: Node, images: str) -> None:
        """The old pods serve on, and the condition names the migration's own words."""
        api = pods_by_uid(stack, "api")
        with SteadyLoad(stack.ingress, "/health") as load:
            stack.change(
                api={"image": bad_image(node, "failing-migration", images)},
                database={"migration": {"backoffLimit": 0}},
            )
            found = stack.wait_for("Stalled", "True", "MigrationFailed", seconds=120)
        assert load.failures == []
        assert "column markets.moon cannot be added" in found["message"]
        assert pods_by_uid(stack, "api") == api
        stack.change(api={"image": None}, database={"migration": {"backoffLimit": None}})
        stack.wait_ready()
