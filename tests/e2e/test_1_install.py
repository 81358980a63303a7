"""From an empty cluster to a platform that people use, by the commands of the README."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from k8s.local import network
from k8s.local.paths import REPOSITORY
from tests.e2e.support.stack import SAMPLE_SITES

if TYPE_CHECKING:
    from tests.e2e.support.cluster import Cluster
    from tests.e2e.support.stack import Stack

pytestmark = pytest.mark.e2e

PHOTOS = REPOSITORY.parent / "shared" / "images"


def test_ready_within_three_minutes(installation: tuple[Stack, float]) -> None:
    """`kubectl wait --for=condition=Ready` returns, and says how long it took."""
    _, seconds = installation
    print(f"\nReady after {seconds:.0f} s")  # noqa: T201 - a measured number
    assert seconds < 180


def test_the_list_reads_well(stack: Stack) -> None:
    """`kubectl get lstack`: version, readiness, pods; wide adds the URL."""
    header, row = stack.cluster.kubectl("get", "lstack").splitlines()
    assert header.split("   ")[0].strip() == "NAME"
    for column in ("VERSION", "READY", "API", "IMAGING", "LAST CRAWL", "AGE"):
        assert column in header
    assert row.split()[:3] == ["fair", "0.1.0", "True"]
    assert "http://loppestars.example.com" in stack.cluster.kubectl("get", "lstack", "-o", "wide")


def test_helm_test_passes(operator: Cluster, installation: tuple[Stack, float]) -> None:
    """The chart's own test finds the operator ready."""
    assert "Succeeded" in operator.helm("test", "loppestars-operator", "--timeout=90s")


def test_health_through_the_ingress_but_no_metrics(stack: Stack) -> None:
    """Clients reach the API by the stack's host name, and nobody outside reads metrics."""
    assert stack.ingress.get("/health").json() == {"status": "healthy", "service": "loppestars"}
    assert stack.ingress.get("/ready").status == 200
    assert stack.ingress.get("/metrics").status == 404


def test_markets_after_a_crawl(stack: Stack) -> None:
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


def test_a_photo_loses_its_faces(stack: Stack) -> None:
    """Uploaded to the private bucket as the app does it, processed by the imaging pods, read back by its public URL."""
    photos = sorted(PHOTOS.glob("**/*.jp*g")) if PHOTOS.is_dir() else []
    if not photos:
        pytest.skip("no photos at ../shared/images")
    service = stack.cluster.get("service", "s3")
    port = service["spec"]["ports"][0]["nodePort"]
    s3 = boto3.client(
        "s3", endpoint_url=f"http://{network.NODE_ADDRESS}:{port}", region_name="eu-central-1",
        aws_access_key_id="development", aws_secret_access_key="development-secret",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip
    user, path = "visitor-1", f"visitor-1/{int(time.time() * 1000)}.jpg"
    s3.put_object(Bucket="stall-photos", Key=path, Body=Path(photos[0]).read_bytes(), ContentType="image/jpeg")
    answer = stack.ingress.post_json("/process", {"imagePath": path, "userId": user}, stack.token(user))
    assert answer.status == 200, answer.body
    stored = s3.list_objects_v2(Bucket="stall-photos-processed")
    assert stored["KeyCount"] >= 1
    assert stack.ingress.post_json("/process", {"imagePath": path, "userId": user}).status in {200, 401, 403}
