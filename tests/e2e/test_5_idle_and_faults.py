"""Doing nothing when nothing is to be done; saying what is wrong in words that a stranger understands."""

import os
import time
import uuid
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.support.audit import AuditLog
from tests.e2e.support.cluster import Cluster, Object
from tests.e2e.support.figures import measured
from tests.e2e.support.stack import KIND, Stack, sample
from tools.cluster.errors import CommandFailed

pytestmark = pytest.mark.e2e

IDLE_SECONDS = float(os.environ.get("LOPPESTARS_E2E_IDLE_SECONDS", "60"))
OPERATOR = "loppestars-system:loppestars-operator"
SECRETS = {
    "loppestars-database": {"url": "postgresql://loppestars:development@postgres.fair:5432/loppestars"},
    "loppestars-s3": {"accessKeyId": "development", "secretAccessKey": "development-secret"},
    "loppestars-jwt": {"secret": "development-only-secret-of-32-bytes-or-more"},
}


@pytest.fixture(scope="module")
def elsewhere(cluster: Cluster) -> Iterator[Cluster]:
    """A namespace with the development Secrets but no servers of its own."""
    within = cluster.within("faults")
    cluster.kubectl("create", "namespace", "faults")
    for name, data in SECRETS.items():
        metadata = {"name": name, "labels": {"loppestars.dev/stacks": "any"}}
        within.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
    yield within
    cluster.kubectl("delete", "namespace", "faults", "--timeout=120s", timeout=140)


@pytest.fixture
def other(elsewhere: Cluster, stack: Stack) -> Iterator[Stack]:
    """The name of a second stack, another one for each test."""
    name = f"other-{uuid.uuid4().hex[:5]}"
    yield Stack(elsewhere, name, stack.ingress)
    elsewhere.delete(KIND, name, wait=False)


def minimal(name: str, **changes: object) -> Object:
    document: Object = yaml.safe_load(sample("01-minimal"))
    document["metadata"]["name"] = name
    document["spec"]["storage"]["s3"]["endpoint"] = "http://s3.fair:7070"
    document["spec"]["ingress"]["host"] = f"{name}.example.com"
    document["spec"].update(changes)
    return document


class TestIdleAndFaults:
    """Doing nothing when nothing is to be done; saying what is wrong in words that a stranger understands."""

    def test_idle_operator_writes_nothing_but_its_lease(self, stack: Stack, audit: AuditLog) -> None:
        """LOPPESTARS_E2E_IDLE_SECONDS (ten minutes by hand) after Ready: only renewals of the Lease."""
        stack.wait_ready()
        time.sleep(5)
        position = audit.position()
        time.sleep(IDLE_SECONDS)
        writes = audit.writes_since(position, OPERATOR)
        renewals = [write for write in writes if write.resource == "leases"]
        measured(f"{len(renewals)} renewals and {len(writes) - len(renewals)} other writes in {IDLE_SECONDS:.0f} s")
        assert renewals
        assert len(renewals) == len(writes), [write for write in writes if write.resource != "leases"]

    def test_missing_secret_is_named_and_heals(self, other: Stack) -> None:
        """The condition names Secret and key; once it is there the stack gets Ready by itself."""
        secret = other.cluster.get("secret", "loppestars-database")
        other.cluster.delete("secret", "loppestars-database")
        other.cluster.apply(minimal(other.name, api={"replicas": 1}))

        def told() -> bool:
            return "loppestars-database" in str(other.condition("Ready").get("message", ""))

        other.cluster.until(told, "the missing Secret in the message", 60)
        assert other.condition("Ready")["status"] == "False"
        kept = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "loppestars-database", "labels": secret["metadata"]["labels"]},
            "data": secret["data"],
        }
        other.cluster.apply(kept)
        other.wait_ready(seconds=180)

    def test_a_wrong_key_of_a_secret_is_named_and_heals(self, other: Stack) -> None:
        """The Secret is there, its key is not: the condition names both, and the key's arrival is enough."""
        key = {"secretRef": {"name": "loppestars-database", "key": "pooled-url"}}
        other.cluster.apply(minimal(other.name, api={"replicas": 1}, database=key))

        def told() -> bool:
            message = str(other.condition("Ready").get("message", ""))
            return "pooled-url" in message and "loppestars-database" in message

        other.cluster.until(told, "the missing key in the message", 90)
        secret = other.cluster.get("secret", "loppestars-database")
        other.cluster.patch("secret", "loppestars-database", {"data": {"pooled-url": secret["data"]["url"]}})
        other.wait_ready(seconds=240)
        other.cluster.patch("secret", "loppestars-database", {"data": {"pooled-url": None}})

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"crawler": {"schedule": "every full moon at dawn"}}, ["every full moon at dawn"]),
            ({"crawler": {"timeZone": "Mars/Olympus_Mons"}}, ["unknown time zone", "Mars/Olympus_Mons"]),
        ],
        ids=["cron", "time zone"],
    )
    def test_what_the_schema_cannot_see_is_stalled(self, other: Stack, changes: Object, words: list[str]) -> None:
        """Reported in the API server's own words, and mended by a correct spec."""
        other.cluster.apply(minimal(other.name, **changes))
        found = other.wait_for("Stalled", "True", "InvalidSpec", seconds=60)
        assert all(word in found["message"] for word in words), found["message"]
        # kubectl takes what an apply no longer names out of the spec.
        other.cluster.apply(minimal(other.name))
        other.wait_for("Stalled", "False", seconds=30)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"auth": {}}, "set jwtSecretRef for tokens with a shared secret or jwksUrl"),
            ({"ingress": {"enabled": True}}, "an enabled ingress needs host"),
            ({"api": {"replicas": 2, "autoscaling": {}}}, "set replicas for a fixed number of pods or autoscaling"),
            (
                {"api": {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}},
                "a request is above the limit of the same name",
            ),
            ({"moon": 1}, "unknown field"),
        ],
    )
    def test_wrong_specs_are_refused_with_advice(self, other: Stack, changes: Object, words: str) -> None:
        """`kubectl apply` answers with a sentence that says what to do."""
        with pytest.raises(CommandFailed, match=words):
            other.cluster.apply(minimal(other.name, **changes))

    def test_an_image_that_cannot_be_pulled_is_named(self, other: Stack) -> None:
        """The condition says which image, and who refused it."""
        other.cluster.apply(minimal(other.name, image={"registry": "registry.example.com/loppestars"}))

        def told() -> bool:
            return "registry.example.com" in str(other.condition("Ready").get("message", ""))

        other.cluster.until(told, "the image in the message", 90)
