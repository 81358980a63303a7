"""Clusters that differ: proxies, authorities of their own, meshes, address families, domains."""

from typing import Any

import pytest

from loppestars_operator.cluster import cluster_facts, policy_of
from loppestars_operator.rendering import ClusterFacts, render, render_migration
from loppestars_operator.rendering.context import Proxy
from loppestars_operator.settings import OperatorSettings
from loppestars_operator.spec.policy import Policy, violations
from tests.factories.stacks import make_context, make_stack

PROXY = Proxy("http://proxy.example.com:3128", "http://proxy.example.com:3129", ("intranet.example.com",))
BACKUP = {"s3": {"bucket": "backups"}, "drill": {"scratchSecretRef": {"name": "scratch"}}}
IPV4 = ClusterFacts().listen
COMPONENTS = {"api", "imaging", "jobs", "crawler", "sweep", "backup", "drill", "restore", "migrate"}


def rendered(facts: ClusterFacts | None = None, **spec: Any) -> list[dict[str, Any]]:
    context = make_context(make_stack(backup=BACKUP, **spec), facts)
    return [*render(context), render_migration(context)]


def templates(facts: ClusterFacts | None = None, **spec: Any) -> dict[str, dict[str, Any]]:
    """The pod template of each component."""
    found = {}
    for manifest in rendered(facts, **spec):
        inner = manifest.get("spec", {})
        if template := inner.get("jobTemplate", {}).get("spec", inner).get("template"):
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
    return found


def environments(template: dict[str, Any]) -> list[dict[str, str]]:
    """The plain variables of each container, those of init containers too."""
    containers = [*template["spec"]["containers"], *template["spec"].get("initContainers", ())]
    return [{found["name"]: found.get("value", "") for found in container["env"]} for container in containers]


def egress(component: str, facts: ClusterFacts | None = None, **spec: Any) -> list[dict[str, Any]]:
    (policy,) = [
        manifest
        for manifest in rendered(facts, **spec)
        if manifest["kind"] == "NetworkPolicy" and manifest["metadata"]["name"] == f"fair-{component}"
    ]
    rules: list[dict[str, Any]] = policy["spec"]["egress"]
    return rules


def ports_of(rules: list[dict[str, Any]]) -> set[int]:
    return {port["port"] for rule in rules for port in rule.get("ports", ())}


class TestProxies:
    def test_every_pod(self) -> None:
        """Each program is told, and reaches the cluster's own names without one."""
        facts = ClusterFacts(proxy=PROXY, cluster_domain="k8s.example", api_server="10.96.0.1")
        found = templates(facts)
        assert found.keys() == COMPONENTS
        for template in found.values():
            for variables in environments(template):
                assert variables["HTTP_PROXY"] == "http://proxy.example.com:3128"
                assert variables["HTTPS_PROXY"] == "http://proxy.example.com:3129"
                without = variables["NO_PROXY"].split(",")
                assert {"intranet.example.com", "localhost", ".svc", ".k8s.example", "10.96.0.1"} <= {*without}

    def test_storage_of_the_cluster(self) -> None:
        """A Service's short name is reached directly."""
        storage = {"s3": {"endpoint": "http://versitygw:7070"}}
        (variables,) = environments(templates(ClusterFacts(proxy=PROXY), storage=storage)["imaging"])
        assert "versitygw" in variables["NO_PROXY"].split(",")

    @pytest.mark.parametrize("component", sorted(COMPONENTS))
    def test_network(self, component: str) -> None:
        """The proxies' ports are open, and only there where they have addresses."""
        assert {3128, 3129} <= ports_of(egress(component, ClusterFacts(proxy=PROXY)))
        by_address = ClusterFacts(proxy=Proxy("http://10.0.0.9:3128", "http://[fd00::9]:3128"))
        (rule,) = [rule for rule in egress(component, by_address) if ports_of([rule]) == {3128}]
        assert [peer["ipBlock"]["cidr"] for peer in rule["to"]] == ["10.0.0.9/32", "fd00::9/128"]

    def test_none(self) -> None:
        """Nothing is said where there is none: pods stay as they were."""
        for template in templates().values():
            assert not [name for variables in environments(template) for name in variables if "PROXY" in name]


class TestAuthorities:
    @pytest.mark.parametrize(
        ("reference", "source"),
        [
            ({"configMapRef": {"name": "trust"}}, {"configMap": {"name": "trust"}}),
            ({"secretRef": {"name": "trust", "key": "bundle.pem"}}, {"secret": {"secretName": "trust"}}),
        ],
    )
    def test_every_pod(self, reference: dict[str, Any], source: dict[str, Any]) -> None:
        """Mounted under one name, and named to each library that makes connections."""
        for template in templates(caBundle=reference).values():
            (volume,) = [volume for volume in template["spec"]["volumes"] if volume["name"] == "ca"]
            (kind, chosen), *_ = source.items()
            assert chosen.items() <= volume[kind].items()
            assert volume[kind]["items"][0]["path"] == "ca.crt"
            for variables in environments(template):
                names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "PGSSLROOTCERT")
                assert {variables[name] for name in names} == {"/etc/loppestars/ca/ca.crt"}
            for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", ())]:
                assert {"name": "ca", "mountPath": "/etc/loppestars/ca", "readOnly": True} in container["volumeMounts"]

    def test_rotation(self) -> None:
        """A Secret that the operator may read rolls the pods."""
        bundle = {"secretRef": {"name": "trust"}}
        old, new = (templates(ClusterFacts(secrets={"trust": version}), caBundle=bundle) for version in "12")
        assert old["api"] != new["api"]


class TestMeshes:
    @pytest.mark.parametrize(
        ("mesh", "namespace", "control", "tunnel"),
        [
            ({"type": "Istio"}, "istio-system", {15010, 15012}, 15008),
            ({"type": "IstioAmbient"}, "", set(), 15008),
            ({"type": "Linkerd", "namespace": "mesh"}, "mesh", {8080, 8086, 8090}, 4143),
        ],
    )
    def test_network(self, mesh: dict[str, str], namespace: str, control: set[int], tunnel: int) -> None:
        """Sidecars reach their control plane and each other; requests arrive by the tunnel."""
        for component in sorted(COMPONENTS):
            rules = egress(component, mesh=mesh)
            assert tunnel in ports_of(rules)
            plane = [rule for rule in rules if rule.get("to", [{}])[0].get("namespaceSelector")]
            assert ports_of(plane) == control
            names = [rule["to"][0]["namespaceSelector"]["matchLabels"] for rule in plane]
            assert names == ([{"kubernetes.io/metadata.name": namespace}] if namespace else [])
        (policy,) = [
            m for m in rendered(mesh=mesh) if m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == "fair-api"
        ]
        assert tunnel in ports_of(policy["spec"]["ingress"])

    @pytest.mark.parametrize(
        ("mesh", "sidecar"),
        [
            ("Istio", "sidecar.istio.io/nativeSidecar"),
            ("Linkerd", "config.beta.linkerd.io/proxy-enable-native-sidecar"),
        ],
    )
    def test_jobs_end(self, mesh: str, sidecar: str) -> None:
        """A sidecar that is an init container ends with the Job."""
        for template in templates(mesh={"type": mesh}).values():
            assert template["metadata"]["annotations"][sidecar] == "true"

    def test_ambient(self) -> None:
        """No sidecar: a label, and the node's probes by their own address."""
        found = templates(mesh={"type": "IstioAmbient"})
        assert {template["metadata"]["labels"]["istio.io/dataplane-mode"] for template in found.values()} == {"ambient"}

    def test_narrow_clients(self) -> None:
        """Through the mesh too, only the chosen clients get in."""
        narrow = {"clientCidrs": ["10.1.0.0/16"]}
        manifests = rendered(mesh={"type": "Istio"}, networkPolicy=narrow)
        (policy,) = [m for m in manifests if m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == "fair-api"]
        (tunnel,) = [rule for rule in policy["spec"]["ingress"] if ports_of([rule]) == {15008}]
        assert tunnel["from"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]


class TestMoreEgress:
    def test_every_pod(self) -> None:
        """By network or by namespace."""
        more = [{"ports": [4317], "namespaceSelector": {"team": "telemetry"}}, {"cidrs": ["fd00:1::/64"]}]
        for component in sorted(COMPONENTS):
            rules = egress(component, networkPolicy={"egress": more})
            telemetry = {"to": [{"namespaceSelector": {"matchLabels": {"team": "telemetry"}}}]}
            assert {**telemetry, "ports": [{"port": 4317, "protocol": "TCP"}]} in rules
            assert {"to": [{"ipBlock": {"cidr": "fd00:1::/64"}}]} in rules

    def test_dns(self) -> None:
        """Any resolver's address, those local to a node too, by both ports."""
        for component in sorted(COMPONENTS):
            (rule,) = [rule for rule in egress(component) if 53 in ports_of([rule])]
            assert ports_of([rule]) == {53, 5353}
            assert "to" not in rule


class TestFinitePods:
    """The pods of Jobs that are no component."""

    def test_resources_and_patch(self) -> None:
        """Migration and sweep, each by its own field."""
        chosen = {
            "resources": {"limits": {"cpu": "1"}},
            "podTemplate": {
                "spec": {"securityContext": {"runAsUser": 1000}, "volumes": [{"name": "x", "emptyDir": {}}]}
            },
        }
        storage = {"s3": {"endpoint": "http://s3:7070"}, "originals": {"sweep": chosen}}
        found = templates(database={"secretRef": {"name": "db"}, "migration": chosen}, storage=storage)
        for name in ("migrate", "sweep"):
            pod = found[name]["spec"]
            assert pod["containers"][0]["resources"]["limits"]["cpu"] == "1"
            assert pod["securityContext"]["runAsUser"] == 1000
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert {"name": "x", "emptyDir": {}} in pod["volumes"]
        assert "cpu" not in found["imaging"]["spec"]["containers"][0]["resources"]["limits"]

    @pytest.mark.parametrize("where", ["migration", "sweep"])
    def test_policy(self, where: str) -> None:
        """The bounds of components' patches are theirs too."""
        patch = {"podTemplate": {"spec": {"hostNetwork": True}}}
        spec: dict[str, Any] = {"database": {"secretRef": {"name": "db"}, "migration": patch}}
        if where == "sweep":
            spec = {"storage": {"s3": {}, "originals": {"sweep": patch}}}
        (refusal,) = violations(make_stack(**spec), Policy())
        assert "hostNetwork" in refusal


class TestFacts:
    """What the operator finds out by itself."""

    @pytest.mark.parametrize(
        ("service_host", "pod_ips", "listen"),
        [
            ("10.96.0.1", "10.244.0.7", IPV4),
            ("fd00:10:96::1", "fd00::7", "::"),
            ("10.96.0.1", "10.244.0.7,fd00::7", "::"),
            ("", "", IPV4),
        ],
    )
    def test_listen(self, service_host: str, pod_ips: str, listen: str) -> None:
        """In a cluster of both families, Services send requests of both."""
        settings = OperatorSettings(kubernetes_service_host=service_host, pod_ips=pod_ips)  # type: ignore[arg-type]
        assert cluster_facts(settings).listen == listen

    def test_domain(self) -> None:
        """Services of a cluster with another domain may be sent access keys, those of the usual name may not."""
        policy = policy_of(OperatorSettings(cluster_domain="k8s.example"))
        s3 = {"originalsBucket": "a-a", "processedBucket": "b-b", "credentialsSecretRef": {"name": "any"}}
        for host, refused in (("s3.data.svc.k8s.example", 0), ("s3.data.svc.cluster.local", 1)):
            stack = make_stack(storage={"s3": s3 | {"endpoint": f"http://{host}:9000"}})
            assert len(violations(stack, policy)) == refused
