"""Default-deny NetworkPolicies, and one policy per component for what the platform's diagram draws."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import selector_labels
from loppestars_operator.rendering.context import (
    API,
    BACKUP,
    CRAWLER,
    DRILL,
    HTTP_PORT,
    IMAGING,
    JOBS,
    METRICS_PORT,
    MIGRATE,
    RESTORE,
    RenderContext,
    host_of,
    port_of,
)
from loppestars_operator.rendering.imaging import SWEEP
from loppestars_operator.rendering.surroundings import mesh_egress, mesh_ingress
from loppestars_operator.spec.outside import Egress, Peers

Rule = dict[str, Any]

# PostgreSQL and PgBouncer; the URL itself is in a Secret that the operator does not read.
DATABASE_PORTS: Final = (5432, 6432)
API_SERVER_PORTS: Final = (443, 6443)
SMTP_PORTS: Final = (25, 465, 587)
OUTSIDE_PORTS: Final = (80, 443)
# Resolvers listen on 53; OpenShift's pods on 5353, which is what is judged after the Service's address is translated.
DNS_PORTS: Final = (53, 5353)
# Metadata services hand out credentials of the node. They are link-local, but for one of Amazon's.
METADATA_NETWORKS: Final = {"0.0.0.0/0": ("169.254.0.0/16",), "::/0": ("fe80::/10", "fd00:ec2::/32")}
# Sites are crawled on the Internet: nothing of the cluster or of its network is one.
INTERNAL_NETWORKS: Final = {
    "0.0.0.0/0": ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    "::/0": ("fc00::/7", "fe80::/10"),
}


def render_network_policies(context: RenderContext) -> list[Manifest]:
    """Return the policies, or none where the spec turns them off."""
    chosen, spec = context.spec.network_policy, context.spec
    if not chosen.enabled:
        return []
    dns = {"ports": [{"port": port, "protocol": protocol} for port in DNS_PORTS for protocol in ("UDP", "TCP")]}
    database = _towards(chosen.database, DATABASE_PORTS)
    every = [dns, database, *_surroundings(context)]
    storage = _towards(chosen.storage, (port_of(spec.storage.s3.endpoint),))
    vaults = [port_of(spec.backup.s3.endpoint)] if spec.backup else []
    vault = _towards(chosen.storage, (port_of(spec.storage.s3.endpoint), *vaults))
    api_server = _towards(chosen.api_server, API_SERVER_PORTS)
    starts = [url for source in spec.crawler.sources for url in source.start_urls or ()]
    site_ports = (*OUTSIDE_PORTS, *sorted({port_of(url) for url in starts} - {*OUTSIDE_PORTS}))
    sites = _towards(chosen.outside, site_ports, INTERNAL_NETWORKS)
    keys = [_towards(chosen.outside, (port_of(spec.auth.jwks_url),), METADATA_NETWORKS)] if spec.auth.jwks_url else []
    if spec.auth.providers:
        keys.append(_towards(chosen.outside, OUTSIDE_PORTS, INTERNAL_NETWORKS))
        issuer = spec.auth.providers.oidc
        keys += [_towards(chosen.outside, (port_of(issuer.issuer),), METADATA_NETWORKS)] if issuer else []
    mails = SMTP_PORTS if spec.notifications and spec.notifications.smtp_secret_ref else ()
    services = _towards(chosen.outside, (*OUTSIDE_PORTS, *mails), INTERNAL_NETWORKS)
    clients = _with_blocks("from", _ports([HTTP_PORT]), chosen.client_cidrs)
    selector = spec.monitoring.namespace_selector
    scrapers = {"namespaceSelector": {"matchLabels": dict(selector)} if selector else {}}
    scraping = {**_ports([METRICS_PORT]), "from": [scrapers]}
    judging = {**scraping, "from": [scrapers, *_judge(context)]}
    selected = {"app.kubernetes.io/name": "loppestars", "app.kubernetes.io/instance": context.name}
    return [
        _policy(context, None, selected),
        _component(
            context, API, [clients, judging, *mesh_ingress(context, clients)], [*every, storage, api_server, *keys]
        ),
        _component(context, IMAGING, [scraping], [*every, storage]),
        _component(context, SWEEP, [scraping], [*every, storage]),
        _component(context, CRAWLER, [scraping], [*every, sites]),
        _component(context, JOBS, [scraping], [*every, storage, services]),
        _component(context, MIGRATE, [], [*every, *([vault] if spec.backup else [])]),
        *(_component(context, name, [], [*every, vault]) for name in (BACKUP, DRILL, RESTORE) if spec.backup),
    ]


def _surroundings(context: RenderContext) -> list[Rule]:
    """Return rules for what pods reach because of where they run: a mesh, proxies, what the spec adds."""
    proxy = context.facts.proxy
    hosts = [host_of(url) for url in (proxy.http, proxy.https) if url] if proxy else []
    addresses = [f"{host}/{128 if ':' in host else 32}" for host in hosts if _is_address(host)]
    # A proxy is known by its port, and by its address where it is given as one.
    proxies = [_towards(Peers(cidrs=addresses if len(addresses) == len(hosts) else None), proxy.ports)] if proxy else []
    return [*mesh_egress(context), *proxies, *map(_more, context.spec.network_policy.egress or ())]


def _more(egress: Egress) -> Rule:
    rule = _ports(egress.ports) if egress.ports else {}
    if egress.namespace_selector is not None:
        return {**rule, "to": [{"namespaceSelector": {"matchLabels": dict(egress.namespace_selector)}}]}
    return _with_blocks("to", rule, egress.cidrs)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _judge(context: RenderContext) -> list[Rule]:
    """Return where the operator asks from how a canary does, unless everyone may ask."""
    rollout, namespace = context.spec.rollout, context.facts.operator_namespace
    if not (rollout and rollout.canary and namespace and context.spec.monitoring.namespace_selector):
        return []
    return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]


def _component(context: RenderContext, component: str, ingress: list[Rule], egress: list[Rule]) -> Manifest:
    return _policy(context, component, selector_labels(context.name, component), ingress, egress)


def _policy(
    context: RenderContext,
    component: str | None,
    selected: dict[str, str],
    ingress: Sequence[Rule] = (),
    egress: Sequence[Rule] = (),
) -> Manifest:
    """Return a policy for the selected pods; without rules it denies everything."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": context.metadata(context.named(component or "default-deny"), component),
        "spec": {
            "podSelector": {"matchLabels": selected},
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": list(ingress)} if ingress else {}),
            **({"egress": list(egress)} if egress else {}),
        },
    }


def _towards(
    peers: Peers | None, default_ports: Sequence[int], excluded: Mapping[str, Sequence[str]] | None = None
) -> Rule:
    """Return a rule for outgoing traffic: to the chosen networks, else to all but the excluded ones."""
    rule = _ports((peers.ports if peers else None) or default_ports)
    if peers and peers.cidrs:
        return _with_blocks("to", rule, peers.cidrs)
    if excluded is None:
        return rule
    return {**rule, "to": [{"ipBlock": {"cidr": cidr, "except": list(parts)}} for cidr, parts in excluded.items()]}


def _with_blocks(direction: str, rule: Rule, cidrs: Sequence[str] | None) -> Rule:
    return {**rule, direction: [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]} if cidrs else rule


def _ports(ports: Sequence[int]) -> Rule:
    return {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
