"""From an empty cluster to a platform that people use, by the commands of the README."""

import pytest

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.figures import measured
from tests.e2e.support.photos import PhotoBucket, face_photos
from tests.e2e.support.stack import SAMPLE_SITES, Stack

pytestmark = pytest.mark.e2e


class TestInstall:
    """From an empty cluster to a platform that people use, by the commands of the README."""

    def test_ready_within_three_minutes(self, installation: tuple[Stack, float]) -> None:
        """`kubectl wait --for=condition=Ready` returns, and says how long it took."""
        _, seconds = installation
        measured(f"Ready after {seconds:.0f} s")
        assert seconds < 180

    def test_the_list_reads_well(self, stack: Stack) -> None:
        """`kubectl get lstack`: version, readiness, pods; wide adds the URL."""
        header, row = stack.cluster.kubectl("get", "lstack").splitlines()
        assert header.split("   ")[0].strip() == "NAME"
        for column in ("VERSION", "READY", "API", "IMAGING", "LAST CRAWL", "AGE"):
            assert column in header
        assert row.split()[:3] == ["fair", "0.1.0", "True"]
        assert "http://loppestars.example.com" in stack.cluster.kubectl("get", "lstack", "-o", "wide")

    def test_helm_test_passes(self, operator: Cluster, installation: tuple[Stack, float]) -> None:
        """The chart's own test finds the operator ready."""
        assert "Succeeded" in operator.helm("test", "loppestars-operator", "--timeout=90s")

    def test_health_through_the_ingress_but_no_metrics(self, stack: Stack) -> None:
        """Clients reach the API by the stack's host name, and nobody outside reads metrics."""
        assert stack.ingress.get("/health").json() == {"status": "healthy", "service": "loppestars"}
        assert stack.ingress.get("/ready").status == 200
        assert stack.ingress.get("/metrics").status == 404

    def test_markets_after_a_crawl(self, stack: Stack) -> None:
        """A Crawl made by kubectl fills the list that the app shows; its counts and the stack's last crawl say so."""
        stack.change(crawler={"pod": {"env": SAMPLE_SITES}})
        stack.wait_ready()
        status = stack.crawl()
        assert status["state"] == "Succeeded", status
        assert status["counts"]["new"] > 0
        markets = stack.ingress.get("/markets/search?query=loppemarked").json()
        assert markets
        assert stack.cluster.kubectl("get", "crawls").splitlines()[1].split()[2] == "Succeeded"
        assert stack.read()["status"]["lastCrawl"]["state"] == "Succeeded"

    def test_a_photo_loses_its_faces(self, stack: Stack) -> None:
        """Uploaded as the app does it, processed by the imaging pods, read back by its public URL."""
        bucket, user = PhotoBucket.of(stack), "visitor-1"
        before = bucket.processed()
        path = bucket.upload(user, face_photos()[0].read_bytes())
        answer = stack.process(path, user)
        assert answer.status == 200, answer.body
        made = sorted(set(bucket.processed()) - set(before), key=len)
        # The photo and its copies for lists and screens.
        assert answer.json()["processedImageUrl"].endswith(made[0])
        assert all("-thumbnail-" in key or "-screen-" in key for key in made[1:])
        assert any("-thumbnail-" in key for key in made[1:])
        assert not [key for key in made if path.rpartition("/")[2].removesuffix(".jpg") in key]
        again = stack.process(path, user)
        assert again.json() == answer.json()
        stranger = stack.ingress.post_json("/process", {"imagePath": path, "userId": user}, stack.token("visitor-2"))
        assert stranger.status == 403, stranger.body
