"""The API server refuses what is wrong with a sentence that says what to do."""

from typing import Any

import pytest

from loppestars_operator.kinds import CRAWL, STACK
from loppestars_operator.kube.client import KubeError
from tests.factories.cluster_client import Client
from tests.factories.stacks import SAMPLES, sample

pytestmark = pytest.mark.cluster
RUN_ID = "0b9e3f1c-1a2b-4c3d-8e4f-5a6b7c8d9e0f"

JSONLD = {"name": "torvet", "type": "jsonld", "startUrls": ["https://torvet.example/arrangementer"]}
TWO_HOSTS = ["https://torvet.example/", "https://torvet.example:8443/"]

POOLED = {"secretRef": {"name": "a"}, "directSecretRef": {"name": "b"}, "roles": {"api": {"name": "c"}}}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"api": {"replicas": 2, "autoscaling": {}}}, "set replicas for a fixed number of pods or autoscaling for a range"),
    ({"api": {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}}}, "minReplicas is above maxReplicas; lower the one"),
    ({"auth": {"jwtSecretRef": {"name": "a"}, "redirects": ["loppestars://"]}}, "need signInSecretRef"),
    ({"auth": {}}, "set jwtSecretRef for tokens with a shared secret or jwksUrl"),
    ({"auth": {"jwtSecretRef": {"name": "a"}, "jwksUrl": "https://a.example"}}, "and only one"),
    ({"ingress": {}}, "an enabled ingress needs host"),
    ({"ingress": {"host": "Not A Host"}}, "spec.ingress.host"),
    ({"storage": {"s3": {"originalsBucket": "one", "processedBucket": "one"}}}, "must differ: originals are private"),
    ({"crawler": {"sources": [JSONLD | {"enabled": False}]}}, "every source is disabled"),
    ({"crawler": {"sources": [JSONLD, JSONLD]}}, "two sources have the same name"),
    ({"crawler": {"sources": [{"name": "a"}]}}, "built-in sources are markedskalenderen and loppemarkeder"),
    ({"crawler": {"sources": [{**JSONLD, "name": "loppemarkeder"}]}}, "another site needs a name and type: jsonld"),
    ({"crawler": {"sources": [{"name": "a", "type": "jsonld"}]}}, "startUrls belong to a source of type jsonld"),
    ({"crawler": {"sources": [JSONLD | {"startUrls": TWO_HOSTS}]}}, "the startUrls of a source are on one host"),
    ({"gateway": {"parentRefs": [{"name": "g"}]}, "ingress": None}, "a gateway needs gateway.hostnames"),
    (
        {"gateway": {"parentRefs": [{"name": "g", "redirectSectionName": "http"}]}},
        "redirectSectionName needs sectionName",
    ),
    ({"imaging": {"searchOrientations": "sometimes"}}, 'supported values: "never", "auto", "always"'),
    ({"api": {"pod": {"env": [{"name": "PORT", "value": "1"}]}}}, "a variable that the operator sets itself"),
    ({"imaging": {"pod": {"env": [{"name": "MIN_CONFIDENCE", "value": "0.6"}]}}}, "the field of the spec that stands"),
    ({"crawler": {"pod": {"env": [{"name": "A", "value": "1"}] * 2}}}, "two variables have the same name"),
    ({"image": {"pullSecrets": [{"name": "a"}, {"name": "a"}]}}, "two pull secrets have the same name"),
    ({"api": {"trustedProxies": ["10.0.0.300"]}}, "trustedProxies holds addresses or networks"),
    ({"networkPolicy": {"clientCidrs": ["10.0.0.1"]}}, "clientCidrs holds networks, e.g. 10.0.0.0/8"),
    ({"networkPolicy": {"database": {"cidrs": ["10.0.0.0/33"]}}}, "cidrs holds networks"),
    ({"storage": {"s3": {"endpoint": "http://s3:99999"}}}, "spec.storage.s3.endpoint"),
    ({"storage": {"s3": {"endpoint": "http://key:secret@s3:7070"}}}, "spec.storage.s3.endpoint"),
    ({"storage": {"s3": {}, "originals": {"retention": "999999d"}}}, "spec.storage.originals.retention"),
    ({"imaging": {"blur": {"style": "gaussian"}}}, 'supported values: "mosaic"'),
    ({"imaging": {"blur": {"minConfidence": "0.9"}}}, "minConfidence is above 0 and at most 0.6"),
    ({"api": {"resources": {"limits": {"gpu": 1}}}}, "limits knows cpu, memory and ephemeral-storage"),
    ({"api": {"resources": {"limits": {"memory": "many"}}}}, "memory"),
    ({"api": {"image": "no-tag"}}, "spec.api.image"),
    ({"monitoring": {"mode": True}}, "mode"),
    ({"version": None}, "spec.version"),
    ({"imaging": {"engine": {"memoryMib": 512, "recycleMib": 512}}}, "recycleMib is below memoryMib"),
    ({"crawler": {"geocoding": {"provider": "geoapify"}}}, "datafordeleren and geoapify need apiKeySecretRef"),
    ({"backup": {"s3": {"bucket": "stall-photos"}}}, "backup.s3.bucket is a bucket of its own"),
    ({"database": POOLED}, "each of roles needs directKey"),
    ({"ingress": {"host": f"{'a' * 64}.example.com"}}, "spec.ingress.host"),
    ({"storage": {"s3": {"originalsBucket": "a..b"}}}, "originalsBucket"),
    ({"storage": {"s3": {"originalsBucket": "a-.b"}}}, "originalsBucket"),
    ({"storage": {"s3": {"originalsBucket": "192.168.1.1"}}}, "may not have the form of an IP address"),
    ({"backup": {"s3": {"bucket": "192.168.1.1"}}}, "may not have the form of an IP address"),
    ({"api": {"resources": {"limits": {"cpu": "0"}}}}, "limits holds amounts, e.g. 500m or 512Mi, that are above 0"),
    ({"api": {"resources": {"limits": {"cpu": "-1"}}}}, "limits holds amounts"),
    ({"jobs": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}}, "a request is above the limit"),
    ({"imaging": {"resources": {"requests": {"memory": "100m"}}}}, "requests.memory is in bytes"),
    ({"networkPolicy": {"database": {"ports": [5432, 5432]}}}, "ports names something twice"),
    ({"networkPolicy": {"storage": {"cidrs": ["10.0.0.5/8"]}}}, "cidrs holds networks"),
    ({"networkPolicy": {"egress": [{}]}}, "say ports, cidrs or namespaceSelector"),
    ({"gateway": {"hostnames": ["1.2.3.4"]}}, "hostnames are names, not IP addresses"),
    ({"gateway": {"hostnames": ["a.example", "a.example"]}}, "hostnames names something twice"),
    ({"image": {"registry": "https://ghcr.io/x"}}, "spec.image.registry"),
    ({"image": {"registry": "ghcr.io/X"}}, "spec.image.registry"),
    ({"image": {"registry": "ghcr.io//x"}}, "spec.image.registry"),
    ({"api": {"image": "ghcr.io/x:1:2"}}, "spec.api.image"),
    ({"crawler": {"timeZone": "Mars Olympus"}}, "spec.crawler.timeZone"),
    ({"crawler": {"schedule": "@often"}}, "spec.crawler.schedule"),
    ({"api": {"pod": {"tolerations": [{"effect": "NoSchedule"}]}}}, "a toleration without key needs operator: Exists"),
    ({"api": {"pod": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}}, "Exists takes no value"),
    ({"api": {"pod": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}}}, "belongs to effect: NoExecute"),
    ({"caBundle": {}}, "set either configMapRef or secretRef"),
    ({"mesh": {"type": "Consul"}}, "supported values"),
    ({"nonsense": 1}, "spec.nonsense: field not declared in schema"),
]


class TestAdmission:
    """The API server refuses what is wrong with a sentence that says what to do."""

    @pytest.mark.parametrize(("change", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
    async def test_wrong_stack_is_refused(self, client: Client, change: dict[str, Any], words: str) -> None:
        """By the schema or by a CEL rule."""
        body = sample("01-minimal")
        body["metadata"] = {"name": "wrong", "namespace": client.namespace}
        body["spec"] = {key: value for key, value in (body["spec"] | change).items() if value is not None}
        with pytest.raises(KubeError) as refused:
            await client.kube.apply(STACK.path(client.namespace, "wrong"), body, manager="tests")
        assert words in refused.value.message

    async def test_right_values_at_the_edges(self, client: Client) -> None:
        """Addresses of both families, the highest port, long retentions, variables of one's own."""
        live = await client.apply_stack(
            "edges",
            publicUrl="https://photos.example.com:65535/base",
            api={
                "trustedProxies": ["10.0.0.7", "fd00::/8"],
                "pod": {"env": [{"name": "TZ", "value": "Europe/Copenhagen"}]},
            },
            imaging={"searchOrientations": "always"},
            networkPolicy={"clientCidrs": ["0.0.0.0/0", "::/0"]},
            storage={"s3": {"endpoint": "http://[fd00::1]:9000"}, "originals": {"retention": "999d"}},
            jobs={"resources": {"requests": {"cpu": 0, "memory": "1Gi"}, "limits": {"memory": "1Gi", "cpu": 1}}},
            crawler={"schedule": "@daily", "timeZone": "America/Argentina/Buenos_Aires"},
            mesh={"type": "Linkerd"},
            caBundle={"configMapRef": {"name": "trust"}},
        )
        assert live["spec"]["imaging"]["searchOrientations"] == "always"

    @pytest.mark.parametrize("name", ["UPPER", "1st", "x" * 41, "with.dot"])
    async def test_name_of_a_stack(self, client: Client, name: str) -> None:
        """Names become parts of Service and CronJob names."""
        with pytest.raises(KubeError, match=r"at most 40 characters|Invalid value"):
            await client.apply_stack(name)

    async def test_crawl_is_immutable_but_for_cancel(self, client: Client) -> None:
        """What runs cannot be changed under way; a cancelled crawl stays cancelled."""
        body = sample("06-crawl")
        body["metadata"] = {"name": "fixed", "namespace": client.namespace}
        await client.kube.create(CRAWL.path(client.namespace), body)
        for change in (
            {"limit": 7},
            {"sources": None},
            {"runId": RUN_ID},
            {"stackRef": {"name": "x"}},
            {"dryRun": True},
            {"acceptShrink": True},
        ):
            with pytest.raises(KubeError, match="only cancel can be changed; create another Crawl instead"):
                await client.patch(CRAWL, "fixed", {"spec": change})
        await client.patch(CRAWL, "fixed", {"spec": {"cancel": True}})
        with pytest.raises(KubeError, match="a cancelled crawl cannot be resumed"):
            await client.patch(CRAWL, "fixed", {"spec": {"cancel": False}})

    @pytest.mark.parametrize("path", sorted(SAMPLES.glob("0[1-7]*.yaml")), ids=lambda path: path.stem)
    async def test_samples_are_admitted(self, client: Client, path: Any) -> None:
        """Each numbered sample, as it is."""
        body = sample(path.stem)
        kind = CRAWL if body["kind"] == "Crawl" else STACK
        body["metadata"]["namespace"] = client.namespace
        assert (await client.kube.create(kind.path(client.namespace), body))["metadata"]["uid"]
