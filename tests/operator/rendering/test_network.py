"""NetworkPolicies read as a policy engine would: a table of flows that are allowed and denied."""

import ipaddress
from typing import Any

import pytest

from loppestars_operator.naming import selector_labels
from loppestars_operator.rendering import render
from loppestars_operator.spec import Stack
from tests.factories.stacks import make_context, make_stack

MINIMAL = make_stack()
NARROW = make_stack(
    networkPolicy={
        "clientCidrs": ["10.1.0.0/16"],
        "database": {"ports": [6543], "cidrs": ["10.20.0.0/24"]},
        "apiServer": {"ports": [443], "cidrs": ["10.96.0.1/32"]},
    },
    monitoring={"namespaceSelector": {"team": "observability"}},
    auth={"jwksUrl": "https://auth.example.com:8443/keys"},
)
ANYWHERE, CLUSTER_POD = "203.0.113.9", "10.244.0.7"


def policies(stack: Stack) -> list[dict[str, Any]]:
    return [manifest["spec"] for manifest in render(make_context(stack)) if manifest["kind"] == "NetworkPolicy"]


def allows(  # noqa: PLR0913 - the parts of a flow
    stack: Stack, component: str, direction: str, peer: str, port: int, *, namespace: dict[str, str] | None = None
) -> bool:
    """Whether any policy that selects the pod lets the flow through; a pod that none selects is open."""
    labels = selector_labels("fair", component)
    selecting = [
        policy
        for policy in policies(stack)
        if policy["podSelector"]["matchLabels"].items() <= labels.items() and direction.title() in policy["policyTypes"]
    ]
    if not selecting:
        return True
    rules = [rule for policy in selecting for rule in policy.get(direction, ())]
    return any(matches(rule, direction, peer, port, namespace or {}) for rule in rules)


def matches(rule: dict[str, Any], direction: str, peer: str, port: int, namespace: dict[str, str]) -> bool:
    if "ports" in rule and port not in [allowed["port"] for allowed in rule["ports"]]:
        return False
    peers = rule.get("from" if direction == "ingress" else "to")
    if peers is None:
        return True
    return any(
        ipaddress.ip_address(peer) in ipaddress.ip_network(block["ipBlock"]["cidr"])
        if "ipBlock" in block
        else bool(namespace) and block["namespaceSelector"].get("matchLabels", {}).items() <= namespace.items()
        for block in peers
    )


class TestNetwork:
    """NetworkPolicies read as a policy engine would: a table of flows that are allowed and denied."""

    @pytest.mark.parametrize(
        ("component", "direction", "port", "allowed"),
        [
            ("api", "ingress", 8080, True),
            ("api", "ingress", 22, False),
            ("api", "egress", 53, True),
            ("api", "egress", 5432, True),
            ("api", "egress", 7070, True),  # the S3 endpoint's
            ("api", "egress", 6443, True),
            ("api", "egress", 25, False),
            ("imaging", "ingress", 8080, False),
            ("imaging", "egress", 5432, True),
            ("imaging", "egress", 7070, True),
            ("imaging", "egress", 443, False),
            ("imaging", "egress", 6443, False),
            ("sweep", "egress", 7070, True),
            ("sweep", "egress", 443, False),
            ("crawler", "ingress", 8080, False),
            ("crawler", "egress", 443, True),
            ("crawler", "egress", 80, True),
            ("crawler", "egress", 5432, True),
            ("crawler", "egress", 7070, False),
            ("crawler", "egress", 6443, False),
            ("migrate", "ingress", 9090, False),
            ("migrate", "egress", 5432, True),
            ("migrate", "egress", 443, False),
            ("something-new", "ingress", 8080, False),
            ("something-new", "egress", 53, False),
        ],
    )
    def test_flows_of_the_minimal_stack(self, component: str, direction: str, port: int, allowed: bool) -> None:  # noqa: FBT001 - one case each
        """Exactly what the platform's diagram draws; a pod of the stack that no policy knows may do nothing."""
        assert allows(MINIMAL, component, direction, ANYWHERE, port) is allowed

    @pytest.mark.parametrize("component", ["api", "imaging", "crawler", "sweep"])
    def test_metrics_are_scraped_from_pods_only(self, component: str) -> None:
        """Port 9090 is for namespaces, never for addresses from outside."""
        assert allows(MINIMAL, component, "ingress", CLUSTER_POD, 9090, namespace={"any": "thing"})
        assert not allows(MINIMAL, component, "ingress", ANYWHERE, 9090)

    @pytest.mark.parametrize(
        ("component", "direction", "peer", "port", "allowed"),
        [
            ("api", "ingress", "10.1.2.3", 8080, True),
            ("api", "ingress", ANYWHERE, 8080, False),
            ("api", "egress", "10.20.0.9", 6543, True),
            ("api", "egress", "10.21.0.9", 6543, False),
            ("api", "egress", "10.20.0.9", 5432, False),
            ("api", "egress", "10.96.0.1", 443, True),
            ("api", "egress", "10.96.0.2", 443, False),
            ("api", "egress", ANYWHERE, 8443, True),  # the keys of tokens
            ("imaging", "egress", ANYWHERE, 8443, False),
        ],
    )
    def test_flows_of_a_narrowed_stack(
        self,
        component: str,
        direction: str,
        peer: str,
        port: int,
        allowed: bool,  # noqa: FBT001 - one case each
    ) -> None:
        """CIDRs and ports of the spec take the place of the defaults."""
        assert allows(NARROW, component, direction, peer, port) is allowed

    def test_scraping_of_a_narrowed_stack(self) -> None:
        """Only the namespaces that the spec selects."""
        assert allows(NARROW, "api", "ingress", CLUSTER_POD, 9090, namespace={"team": "observability"})
        assert not allows(NARROW, "api", "ingress", CLUSTER_POD, 9090, namespace={"team": "other"})

    def test_crawler_reaches_sites_on_their_own_ports(self) -> None:
        """A site that is asked for on another port than 443 is not cut off by the stack's own policy."""
        source = {"name": "torvet", "type": "jsonld", "startUrls": ["https://torvet.example:8443/arrangementer"]}
        stack = make_stack(crawler={"sources": [source]})
        assert allows(stack, "crawler", "egress", ANYWHERE, 8443)
        assert allows(stack, "crawler", "egress", ANYWHERE, 443)
        assert not allows(stack, "api", "egress", ANYWHERE, 8443)

    def test_providers_of_identities(self) -> None:
        """The API reaches them on the Internet; a private one on its own port only."""
        provider = {"clientIds": ["web"], "clientSecretRef": {"name": "provider"}}
        auth = {"signInSecretRef": {"name": "keys"}, "providers": {"google": provider}}
        stack = make_stack(auth=auth)
        assert allows(stack, "api", "egress", ANYWHERE, 443)
        assert not allows(stack, "crawler", "egress", CLUSTER_POD, 8443)
        own = provider | {"issuer": "https://keycloak.example.com:8443"}
        stack = make_stack(auth=auth | {"providers": {"oidc": own}})
        assert allows(stack, "api", "egress", CLUSTER_POD, 8443)
        assert not allows(stack, "imaging", "egress", CLUSTER_POD, 8443)

    def test_mail(self) -> None:
        """The second worker reaches mail servers on the Internet where there is one to send by."""
        stack = make_stack(notifications={"smtpSecretRef": {"name": "mail"}})
        assert allows(stack, "jobs", "egress", ANYWHERE, 587)
        assert not allows(MINIMAL, "jobs", "egress", ANYWHERE, 587)
        assert not allows(stack, "api", "egress", ANYWHERE, 587)

    def test_policies_can_be_turned_off(self) -> None:
        """Where a mesh does it."""
        assert policies(make_stack(networkPolicy={"enabled": False})) == []
