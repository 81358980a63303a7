"""The samples on a real node: what they promise is what one gets."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.support.client import Ingress
from tests.e2e.support.cluster import Cluster, Object
from tests.e2e.support.stack import KIND, Stack, sample
from tools.cluster.images import REGISTRY
from tools.cluster.node import Node
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def with_secrets(installation: tuple[Stack, float], cluster: Cluster) -> Iterator[Cluster]:
    """A namespace with the Secrets of the samples; they name the servers of the first stack's namespace."""
    stack = installation[0]
    within = cluster.within("samples")
    cluster.kubectl("create", "namespace", "samples")
    for name in ("loppestars-database", "loppestars-s3", "loppestars-jwt"):
        data = {
            key: text.replace("@postgres:", "@postgres.fair:") for key, text in _decoded(stack.cluster, name).items()
        }
        make_secret(within, name, data)
    yield within
    cluster.kubectl("delete", "namespace", "samples", "--timeout=120s", timeout=140)


@pytest.fixture
def namespace(with_secrets: Cluster) -> Iterator[Cluster]:
    """That namespace without a stack; a test's own is deleted after it."""
    yield with_secrets
    with_secrets.kubectl("delete", KIND, "--all", "--timeout=60s")


def make_secret(within: Cluster, name: str, data: dict[str, str]) -> None:
    """Make a Secret that stacks may use."""
    metadata = {"name": name, "labels": {"loppestars.dev/stacks": "any"}}
    within.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _decoded(cluster: Cluster, name: str) -> dict[str, str]:
    template = "{{range $key, $value := .data}}{{$key}}={{$value | base64decode}}\n{{end}}"
    text = cluster.kubectl("get", "secret", name, f"--output=go-template={template}")
    return dict(line.split("=", 1) for line in text.splitlines())


def here(name: str) -> Object:
    """A sample, with the S3 server of the first stack's namespace and one pod of each component."""
    document: Object = yaml.safe_load(sample(name))
    document["spec"]["storage"]["s3"]["endpoint"] = "http://s3.fair:7070"
    document["spec"].setdefault("api", {})["replicas"] = 1
    document["spec"].setdefault("imaging", {})["replicas"] = 1
    return document


class TestSamples:
    """The samples on a real node: what they promise is what one gets."""

    def test_gateway_api(self, namespace: Cluster, cluster: Cluster, node: Node, stack: Stack) -> None:
        """Through a Gateway of its own host name; plain HTTP is sent on to HTTPS by the second route."""
        document = here("03-gateway-api")
        document["spec"]["gateway"]["hostnames"] = ["gate.example.com"]
        listeners = [
            {"name": "http", "port": 8000, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}},
            {"name": "https", "port": 8000, "protocol": "HTTP", "hostname": "gate.example.com",
             "allowedRoutes": {"namespaces": {"from": "All"}}},
        ]  # fmt: skip
        cluster.kubectl("create", "namespace", "gateways")
        try:
            cluster.within("gateways").apply(
                {
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "Gateway",
                    "metadata": {"name": "public"},
                    "spec": {"gatewayClassName": "traefik", "listeners": listeners},
                }
            )
            namespace.apply(document)
            gate = Stack(namespace, "gate", Ingress(node.http_url, "gate.example.com"))
            gate.wait_ready()
            routes = {one["metadata"]["name"]: one for one in namespace.list("httproutes")}
            assert len(routes) == 2, "one that serves and one that redirects"
            assert not namespace.list("ingresses")
            kinds = {
                rule["filters"][0]["requestRedirect"]["scheme"]
                for route in routes.values()
                for rule in route["spec"]["rules"]
                if rule.get("filters")
            }
            assert kinds == {"https"}
        finally:
            cluster.kubectl("delete", "namespace", "gateways", "--timeout=60s")

    def test_digests(self, namespace: Cluster, stack: Stack) -> None:
        """What runs is exactly the image that was named, and two fixed API pods."""
        document = here("04-digests")
        for component in ("api", "imaging"):
            status = stack.pods(component)[0]["status"]["containerStatuses"][0]
            digest = status["imageID"].rpartition("@")[2]
            document["spec"][component]["image"] = f"{REGISTRY}/{component}@{digest}"
        document["spec"]["api"]["replicas"] = 2
        document["spec"]["ingress"] = {"enabled": False}
        namespace.apply(document)
        pinned = Stack(namespace, "pinned", stack.ingress)
        pinned.wait_ready()
        images = {pod["spec"]["containers"][0]["image"] for pod in pinned.pods("api")}
        assert images == {document["spec"]["api"]["image"]}
        assert len(pinned.pods("api")) == 2
        assert not [one for one in namespace.list("horizontalpodautoscalers") if "api" in one["metadata"]["name"]]

    def test_production(self, namespace: Cluster, node: Node, stack: Stack) -> None:
        """What a small machine lacks is smaller, and outside services are ours; the rest is as in the sample."""
        document = here("02-production")
        spec = document["spec"]
        for component in ("api", "imaging"):
            del spec[component]["replicas"]
            spec[component]["autoscaling"]["minReplicas"] = 1
        spec["api"]["resources"]["requests"]["cpu"] = "50m"
        spec["storage"]["s3"] |= here("01-minimal")["spec"]["storage"]["s3"]
        for bucket in ("originalsBucket", "processedBucket"):  # ours has the usual ones
            del spec["storage"]["s3"][bucket]
        # Roles of the database and the other side of backups are not made here.
        del spec["database"]["roles"], spec["backup"], spec["imaging"]["engine"]
        make_secret(namespace, "loppestars-app", {"anonKeys": "a-key-of-the-mobile-app-0123456789"})
        make_secret(namespace, "loppestars-geocoding", {"apiKey": "none"})
        spec["ingress"]["className"] = "traefik"
        url = _decoded(namespace, "loppestars-database")["url"]
        namespace.patch("secret", "loppestars-database", {"stringData": {"pooled-url": url}})
        namespace.apply(document)
        market = Stack(namespace, "market", stack.ingress)
        market.wait_ready()
        assert namespace.get(KIND, "market")["status"]["url"] == "https://api.loppestars.example.com"
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE  # cert-manager would make the certificate
        answer = Ingress(node.https_url, "api.loppestars.example.com", insecure).get("/health")
        assert answer.json()["status"] == "healthy"
        account = namespace.get("serviceaccount", "market-api")
        assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].endswith("role/loppestars-api")
        (monitor,) = namespace.list("podmonitors.monitoring.coreos.com")
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        assert {one["metadata"]["name"] for one in namespace.list("horizontalpodautoscalers")} == {
            "market-api",
            "market-imaging",
        }

    def test_queue_depth(self, namespace: Cluster, stack: Stack) -> None:
        """KEDA's objects instead of imaging's HPA; nobody here scales by them, and the stack serves all the same."""
        document = here("07-queue-depth")
        del document["spec"]["imaging"]["replicas"]
        document["spec"]["ingress"] = {"enabled": False}
        namespace.apply(document)
        queue = Stack(namespace, "queue", stack.ingress)
        queue.wait_ready()
        (scaled,) = namespace.list("scaledobjects.keda.sh")
        assert scaled["spec"]["scaleTargetRef"]["name"] == "queue-imaging"
        assert len(namespace.list("triggerauthentications.keda.sh")) == 1
        assert not namespace.list("horizontalpodautoscalers", "app.kubernetes.io/component=imaging")
        assert namespace.get("cronjob", "queue-crawler")["spec"]["suspend"] is True
        assert namespace.list("networkpolicies"), "a sample asks for nothing that the operator's policy refuses"

    def test_paused_and_taken_up(self, namespace: Cluster, stack: Stack) -> None:
        """Left alone and said so; taken up, it gets Ready; paused again, what somebody deletes stays deleted."""
        namespace.apply(here("05-paused"))
        paused = Stack(namespace, "paused", stack.ingress)
        paused.wait_for("Ready", "False", "Paused", seconds=30)
        assert not namespace.list("deployments")
        paused.change(paused=False, ingress={"enabled": False})
        paused.wait_ready()
        paused.change(paused=True)
        paused.wait_for("Reconciling", "False", "Paused", seconds=30)
        namespace.delete("service", "paused-api")
        with pytest.raises(Exception, match="the service"):
            namespace.until(lambda: namespace.find("service", "paused-api") is not None, "the service", 5)
        paused.change(paused=False)
        namespace.until(lambda: namespace.find("service", "paused-api") is not None, "the service", 10)

    def test_tls(self, namespace: Cluster, node: Node, stack: Stack, tmp_path: Path) -> None:
        """With a certificate in a Secret the stack is served by HTTPS, and says so in its URL."""
        certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        subprocess.run(
            ["/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=market",
             "-addext", "subjectAltName=DNS:market.example.com", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        namespace.kubectl("create", "secret", "tls", "market-tls", f"--cert={certificate}", f"--key={key}")
        document = here("01-minimal")
        document["metadata"]["name"] = "market"
        document["spec"]["ingress"] = {"host": "market.example.com", "tls": {"secretName": "market-tls"}}
        namespace.apply(document)
        market = Stack(namespace, "market", stack.ingress)
        market.wait_ready()
        assert namespace.get(KIND, "market")["status"]["url"] == "https://market.example.com"
        trust = ssl.create_default_context(cafile=str(certificate))
        answer = Ingress(node.https_url, "market.example.com", trust).get("/health")
        assert answer.json()["status"] == "healthy"

    def test_the_stack_chart(self, namespace: Cluster, stack: Stack, tmp_path: Path) -> None:
        """`helm install` of a stack, and the chart's own test: the API answers with its database and storage."""
        values = tmp_path / "values.json"
        values.write_text(json.dumps({"spec": {**here("01-minimal")["spec"], "ingress": {"enabled": False}}}))
        chart = str(REPOSITORY / "charts" / "loppestars-stack")
        namespace.helm("install", "charted", chart, f"--values={values}")
        Stack(namespace, "charted", stack.ingress).wait_ready()
        assert "Succeeded" in namespace.helm("test", "charted", "--timeout=150s")
        namespace.helm("uninstall", "charted")
        namespace.until(lambda: namespace.find("deployment", "charted-api") is None, "the end of its pods", 60)

    def test_a_source_without_code(self, stack: Stack) -> None:
        """A site that says its events in JSON-LD is crawled by naming it in the spec."""
        stack.change(
            crawler={
                "sources": [
                    {"name": "markedskalenderen"},
                    {"name": "torvet", "type": "jsonld", "startUrls": ["http://sample-site:8081/arrangementer"]},
                ]
            }
        )
        stack.wait_ready()
        status = stack.crawl(sources=["torvet"])
        assert status["state"] == "Succeeded", status
        assert status["counts"]["seen"] > 0
        stack.change(crawler={"sources": None})
        stack.wait_ready()
