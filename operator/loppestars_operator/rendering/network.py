"""Default-deny NetworkPolicies, and one policy a component for what the platform's diagram draws."""

from collections.abc import Sequence
from typing import Any

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import selector_labels
from loppestars_operator.rendering.context import (
    API,
    CRAWLER,
    HTTP_PORT,
    IMAGING,
    METRICS_PORT,
    MIGRATE,
    RenderContext,
    port_of,
)
from loppestars_operator.rendering.imaging import SWEEP
from loppestars_operator.spec.stack import Peers

Rule = dict[str, Any]

# PostgreSQL and PgBouncer; the URL itself is in a Secret that the operator does not read.
DATABASE_PORTS = (5432, 6432)
API_SERVER_PORTS = (443, 6443)
OUTSIDE_PORTS = (80, 443)


def render_network_policies(context: RenderContext) -> list[Manifest]:
    """Return the policies, or none where the spec turns them off."""
    if not context.spec.network_policy.enabled:
        return []
    database, storage, outside = _database(context), _storage(context), _outside(context)
    scraping = _scraping(context)
    return [
        _default_deny(context),
        _policy(
            context,
            API,
            ingress=[_clients(context), scraping],
            egress=[_dns(), database, storage, _api_server(context), *_token_keys(context)],
        ),
        _policy(context, IMAGING, ingress=[scraping], egress=[_dns(), database, storage]),
        _policy(context, SWEEP, ingress=[scraping], egress=[_dns(), database, storage]),
        _policy(context, CRAWLER, ingress=[scraping], egress=[_dns(), database, outside]),
        _policy(context, MIGRATE, ingress=[], egress=[_dns(), database]),
    ]


def _default_deny(context: RenderContext) -> Manifest:
    return _manifest(
        context,
        context.named("default-deny"),
        None,
        {
            "podSelector": {
                "matchLabels": {
                    "app.kubernetes.io/name": "loppestars",
                    "app.kubernetes.io/instance": context.name,
                }
            },
            "policyTypes": ["Ingress", "Egress"],
        },
    )


def _policy(context: RenderContext, component: str, *, ingress: list[Rule], egress: list[Rule]) -> Manifest:
    rules = {"ingress": ingress, "egress": egress}
    spec = {
        "podSelector": {"matchLabels": selector_labels(context.name, component)},
        "policyTypes": ["Ingress", "Egress"],
        **{direction: allowed for direction, allowed in rules.items() if allowed},
    }
    return _manifest(context, context.named(component), component, spec)


def _manifest(context: RenderContext, name: str, component: str | None, spec: Rule) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": context.metadata(name, component),
        "spec": spec,
    }


def _clients(context: RenderContext) -> Rule:
    cidrs = context.spec.network_policy.client_cidrs
    return _with_blocks("from", _ports([HTTP_PORT]), cidrs)


def _scraping(context: RenderContext) -> Rule:
    selector = context.spec.monitoring.namespace_selector
    namespaces = {"matchLabels": dict(selector)} if selector else {}
    return {**_ports([METRICS_PORT]), "from": [{"namespaceSelector": namespaces}]}


def _dns() -> Rule:
    return {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def _database(context: RenderContext) -> Rule:
    return _towards(context.spec.network_policy.database, DATABASE_PORTS)


def _storage(context: RenderContext) -> Rule:
    return _towards(context.spec.network_policy.storage, (port_of(context.spec.storage.s3.endpoint),))


def _api_server(context: RenderContext) -> Rule:
    return _towards(context.spec.network_policy.api_server, API_SERVER_PORTS)


def _outside(context: RenderContext) -> Rule:
    starts = [url for source in context.spec.crawler.sources for url in source.start_urls or ()]
    ports = (*OUTSIDE_PORTS, *sorted({port_of(url) for url in starts} - {*OUTSIDE_PORTS}))
    return _towards(context.spec.network_policy.outside, ports)


def _token_keys(context: RenderContext) -> list[Rule]:
    url = context.spec.auth.jwks_url
    return [_towards(context.spec.network_policy.outside, (port_of(url),))] if url else []


def _towards(peers: Peers | None, default_ports: Sequence[int]) -> Rule:
    ports = (peers.ports if peers else None) or default_ports
    return _with_blocks("to", _ports(ports), peers.cidrs if peers else None)


def _with_blocks(direction: str, rule: Rule, cidrs: Sequence[str] | None) -> Rule:
    return {**rule, direction: [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]} if cidrs else rule


def _ports(ports: Sequence[int]) -> Rule:
    return {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
