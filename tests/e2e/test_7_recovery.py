"""Everything of a stack is deleted, database and buckets, and had back from the backup by documented commands."""

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

import pytest
import yaml

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.figures import measured
from tests.e2e.support.photos import PhotoBucket, face_photos
from tests.e2e.support.stack import KIND, SAMPLE_SITES, Stack, sample
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e

NAMESPACE, NAME = "recovery", "lost"
VAULT: Final = "loppestars-backups"
COUNTED: Final = ("markets", "market_sightings", "photos", "photo_variants", "users", "crawl_runs", "audit_log")
SERVERS: Final = ("postgres", "versitygw")


@pytest.fixture(scope="module")
def lost(cluster: Cluster, installation: tuple[Stack, float]) -> Iterator[Stack]:
    """A stack with backups in another namespace's S3 server, and a drill into another namespace's database."""
    fair, _ = installation
    buckets = PhotoBucket.of(fair)
    names = [bucket["Name"] for bucket in buckets.s3.list_buckets()["Buckets"]]
    if VAULT not in names:
        buckets.s3.create_bucket(Bucket=VAULT)
    within = cluster.within(NAMESPACE)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s", timeout=140)
    cluster.kubectl("create", "namespace", NAMESPACE)
    within.apply((REPOSITORY / "k8s" / "dev" / "services.yaml").read_text())
    for name, data in {
        "loppestars-vault": {"accessKeyId": "development", "secretAccessKey": "development-secret"},
        "loppestars-backup-key": {"key": base64.b64encode(os.urandom(32)).decode()},
        "loppestars-scratch": {"url": "postgresql://loppestars:development@postgres.fair:5432/postgres"},
    }.items():
        metadata = {"name": name, "labels": {"loppestars.dev/stacks": "any"}}
        within.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
    document = yaml.safe_load(sample("01-minimal"))
    document["metadata"]["name"] = NAME
    document["spec"]["ingress"]["host"] = f"{NAME}.example.com"
    document["spec"]["api"] = {"replicas": 1}
    document["spec"]["crawler"] = {"pod": {"env": SAMPLE_SITES}}
    document["spec"]["backup"] = {
        "s3": {
            "bucket": VAULT,
            "endpoint": "http://s3.fair:7070",
            "pathStyle": True,
            "credentialsSecretRef": {"name": "loppestars-vault"},
        },
        "encryptionKeySecretRef": {"name": "loppestars-backup-key"},
        "drill": {"scratchSecretRef": {"name": "loppestars-scratch"}},
    }
    within.apply(document)
    within.wait("condition=Ready", f"{KIND}/{NAME}", seconds=300)
    yield Stack(within, NAME, type(fair.ingress)(fair.ingress.url, f"{NAME}.example.com"))
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", timeout=140)


def ask_database(stack: Stack, statement: str) -> str:
    """Return what psql in the development server's pod prints."""
    command = ("psql", "--host=/tmp", "--username=loppestars", "--dbname=loppestars", "-At", f"--command={statement}")
    return stack.cluster.kubectl("exec", "deployment/postgres", "--", *command).strip()


def counts(stack: Stack) -> dict[str, int]:
    return {table: int(ask_database(stack, f"SELECT count(*) FROM {table}")) for table in COUNTED}  # noqa: S608 - ours


def run_job(stack: Stack, cron_job: str, name: str) -> float:
    """Make a Job from a CronJob as the documentation does, and wait for its end; return the seconds it took."""
    began = time.monotonic()
    stack.cluster.kubectl("create", "job", f"--from=cronjob/{stack.name}-{cron_job}", name)
    stack.cluster.kubectl("wait", f"job/{name}", "--for=condition=Complete", "--timeout=5m", timeout=320)
    return time.monotonic() - began


def published(stack: Stack) -> dict[str, str]:
    """Return the digest of every public object."""
    bucket = PhotoBucket.of(stack)
    found = {}
    for key in bucket.processed():
        body = bucket.s3.get_object(Bucket="stall-photos-processed", Key=key)["Body"].read()
        found[key] = hashlib.sha256(body).hexdigest()
    return found


class TestRecovery:
    """In the order of a bad day: data, a backup, everything gone, everything back, and the drill's word on it."""

    def test_everything_comes_back(self, lost: Stack) -> None:
        """Rows are counted and photos compared byte for byte; what was done after the backup is the recovery point."""
        assert lost.crawl()["state"] == "Succeeded"
        bucket, addresses = PhotoBucket.of(lost), []
        for number, photo in enumerate(face_photos()[:3]):
            answer = lost.process(bucket.upload("visitor-1", photo.read_bytes(), number=number), "visitor-1")
            assert answer.status == HTTPStatus.OK, answer.body
            addresses.append(answer.json()["processedImageUrl"])
        rows, photos = counts(lost), published(lost)
        assert rows["markets"] > 0
        assert len(photos) >= len(addresses)
        run_job(lost, "backup", "now")
        backed_up = time.monotonic()

        self._delete_everything(lost)
        gone = time.monotonic()
        self._restore(lost)
        recovery_time, recovery_point = time.monotonic() - gone, gone - backed_up
        measured(
            f"restore on the node: RTO {recovery_time:.0f} s from empty servers to Ready, RPO {recovery_point:.0f} s; "
            f"{sum(rows.values())} rows, {len(photos)} published objects"
        )
        assert counts(lost) == rows
        assert published(lost) == photos
        assert {lost.ingress.get(f"/{address.split('/', 3)[3]}").status for address in addresses} == {HTTPStatus.OK}
        assert lost.ingress.get("/markets/search?query=loppemarked").json()

    def _delete_everything(self, lost: Stack) -> None:
        """Database and buckets lie in volumes that go with their pods."""
        selector = f"app.kubernetes.io/name in ({','.join(SERVERS)})"
        lost.cluster.kubectl("delete", "pods", f"--selector={selector}", "--wait=true", timeout=140)
        for server in SERVERS:
            lost.cluster.kubectl("rollout", "status", f"deployment/{server}", "--timeout=120s", timeout=140)
        assert ask_database(lost, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
        assert published(lost) == {}

    def _restore(self, lost: Stack) -> None:
        lost.change(hibernated=True)
        lost.cluster.wait("condition=Hibernated", f"{KIND}/{lost.name}", seconds=120)
        took = run_job(lost, "restore", "restore")
        measured(f"the restore itself took {took:.0f} s")
        lost.change(hibernated=False)
        lost.wait_ready(seconds=240)

    def test_the_drill_says_recoverable(self, lost: Stack) -> None:
        """The drill's Job restores into the database to throw away, and the stack's condition follows from it."""
        run_job(lost, "backup", "later")
        run_job(lost, "drill", "rehearsal")
        condition = lost.wait_for("Recoverable", seconds=60)
        drill = lost.read()["status"]["drill"]
        measured(
            f"drill on the node: RTO {drill['recoveryTimeSeconds']} s, RPO {drill['recoveryPointSeconds']} s "
            f"({json.dumps(condition['message'])})"
        )
        assert condition["reason"] == "Rehearsed"
        assert drill["succeeded"]
        assert re.search(r"was restored in [\d.]+ seconds", condition["message"])
