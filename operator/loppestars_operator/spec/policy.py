"""What a stack may ask for: the operator acts with rights that whoever creates a stack does not have.

Strict by default; the operator's chart widens it. Patterns are shell patterns, `*` for any text.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from loppestars_operator.spec import Stack
from loppestars_operator.spec.base import Model
from loppestars_operator.spec.components import Component
from loppestars_operator.spec.outside import Peers
from loppestars_operator.spec.pods import JobOverrides
from loppestars_operator.spec.template import leaves

Patterns = Annotated[tuple[str, ...], Field(max_length=256)]
# Names under which clouds hand out a node's credentials; their addresses are link-local.
METADATA_HOSTS: Final = ("metadata", "metadata.google.internal", "metadata.goog", "instance-data*", "*.metadata.*")
METADATA_ADDRESSES: Final = ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")

METADATA_IN_NETWORKS: Final = ("169.254.169.254", *METADATA_ADDRESSES)
# A network this wide was not chosen for the one address in it.
MIN_METADATA_PREFIX: Final = {4: 16, 6: 32}


class Policy(Model):
    """Bounds of what stacks may ask for."""

    registries: Patterns = Field(("ghcr.io/loppestars",), description="prefixes of images")
    pod_annotations: Patterns = (
        "cluster-autoscaler.kubernetes.io/*",
        "config.linkerd.io/*",
        "karpenter.sh/*",
        "linkerd.io/*",
        "prometheus.io/*",
        "sidecar.istio.io/*",
        "team",
    )
    pod_labels: Patterns = ("cost-center", "environment", "owner", "sidecar.istio.io/inject", "team")
    service_account_annotations: Patterns = (
        "azure.workload.identity/*",
        "eks.amazonaws.com/role-arn",
        "iam.gke.io/gcp-service-account",
    )
    ingress_annotations: Patterns = (
        "alb.ingress.kubernetes.io/*",
        "cert-manager.io/*",
        "external-dns.alpha.kubernetes.io/*",
        "haproxy.org/*",
        "nginx.ingress.kubernetes.io/*",
        "traefik.ingress.kubernetes.io/*",
    )
    denied_ingress_annotations: Patterns = Field(
        ("*snippet*", "*/auth-url", "*/auth-signin", "*/server-alias", "*/mirror-target", "*lua*"),
        description="refused though a pattern of ingressAnnotations matches: code and foreign addresses",
    )
    priority_classes: Patterns = ()
    node_labels: Patterns = (
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/*",
    )
    toleration_keys: Patterns = ("dedicated",)
    denied_variables: Patterns = Field(
        (
            *("LD_*", "PYTHON*", "BASH_ENV", "ENV", "PATH", "IFS", "HOME", "GCONV_PATH", "GLIBC_TUNABLES", "MALLOC_*"),
            *("OPENSSL_*", "SSL_*", "*CA_BUNDLE*", "*_PROXY", "*_proxy", "AWS_*", "PG*", "S3_*", "DATABASE_*"),
            *("JWT_*", "JWKS_*", "AUTH_*", "SIGNING_*", "CRAWL_LAUNCHER", "TRUSTED_PROXIES", "*ENDPOINT*"),
        ),
        description="variables of pod.env that loaders, interpreters and checks read",
    )
    pod_template: Patterns = Field(
        (
            *("spec.containers.*.resources.*", "spec.containers.*.volumeMounts.*"),
            *("spec.volumes.*.name", "spec.volumes.*.emptyDir", "spec.volumes.*.emptyDir.*"),
            *(
                "spec.securityContext.runAs*",
                "spec.securityContext.fsGroup*",
                "spec.securityContext.supplementalGroups.*",
            ),
            *("spec.containers.*.name", "spec.containers.*.securityContext.runAs*"),
            *("spec.terminationGracePeriodSeconds", "spec.topologySpreadConstraints.*", "spec.dnsConfig.options.*"),
        ),
        description="paths of podTemplate that may be set, items of lists by their names",
    )
    secret_endpoints: Patterns = Field(
        ("*.amazonaws.com", "*.svc", "*.svc.cluster.local"),
        description="hosts that access keys may be sent to, next to Services of the stack's own namespace",
    )
    unconfined_engines: bool = Field(default=False, description="imaging.engine.sandbox may be off")
    open_network: bool = Field(default=False, description="networkPolicy.enabled may be false")


def violations(stack: Stack, policy: Policy) -> list[str]:
    """Return what a stack asks for and may not have, each with what it may."""
    spec = stack.spec
    components: dict[str, Component] = {
        "api": spec.api,
        "imaging": spec.imaging,
        "crawler": spec.crawler,
        "jobs": spec.jobs,
        **({"backup": spec.backup} if spec.backup else {}),
    }
    jobs: dict[str, Component | JobOverrides] = {
        "database.migration": spec.database.migration,
        **({"storage.originals.sweep": sweep} if (sweep := spec.storage.originals.sweep) else {}),
    }
    images = {"spec.image.registry": spec.image.registry}
    if (made := spec.database.cloud_native_pg) and made.image:
        images["spec.database.cloudNativePG.image"] = made.image
    images |= {f"spec.{name}.image": component.image for name, component in components.items() if component.image}
    return [
        *(
            f"{field}: {image} is not from an allowed registry ({', '.join(policy.registries)})"
            for field, image in images.items()
            if not is_from(image, policy.registries)
        ),
        *(found for name, component in components.items() for found in _pods(f"spec.{name}", component, policy)),
        *(
            found
            for name, patched in {**components, **jobs}.items()
            for found in _template(f"spec.{name}", patched, policy)
        ),
        *_networks(stack),
        *_addresses(stack, policy),
        *_ingress(stack, policy),
        *(
            ["spec.imaging.engine.sandbox may not be off here; auto confines by what the kernel allows"]
            if spec.imaging.engine and spec.imaging.engine.sandbox == "off" and not policy.unconfined_engines
            else []
        ),
        *(
            ["spec.networkPolicy.enabled may not be false here; narrow or widen its peers instead"]
            if not spec.network_policy.enabled and not policy.open_network
            else []
        ),
    ]


def is_from(image: str, registries: Iterable[str]) -> bool:
    """Return whether an image, or a registry, is one of these or below one."""
    prefixes = tuple(registries)
    below = tuple(f"{prefix.rstrip('/')}/" for prefix in prefixes)
    return "*" in prefixes or image in prefixes or image.startswith(below)


def _pods(field: str, component: Component, policy: Policy) -> Iterator[str]:
    account = component.service_account.annotations if component.service_account else None
    yield from _keys(f"{field}.serviceAccount.annotations", account or (), policy.service_account_annotations)
    pod = component.pod
    if pod is None:
        return
    yield from _keys(f"{field}.pod.annotations", pod.annotations or (), policy.pod_annotations)
    yield from _keys(f"{field}.pod.labels", pod.labels or (), policy.pod_labels)
    selected = [*(pod.node_selector or ()), *_node_keys((pod.affinity or {}).get("nodeAffinity"))]
    yield from _keys(f"{field}.pod.nodeSelector or affinity", selected, policy.node_labels)
    if pod.priority_class_name:
        yield from _keys(f"{field}.pod.priorityClassName", [pod.priority_class_name], policy.priority_classes)
    tolerated = [toleration.key or "every taint" for toleration in pod.tolerations or ()]
    yield from _keys(f"{field}.pod.tolerations", tolerated, policy.toleration_keys)
    for variable in pod.env or ():
        if _matches(variable.name, policy.denied_variables):
            yield f"{field}.pod.env: {variable.name} may not be set"


def _template(field: str, component: Component | JobOverrides, policy: Policy) -> Iterator[str]:
    """Yield what a patch of the pod asks for beyond its paths, and images and variables that no path allows."""
    found = list(leaves(component.pod_template)) if component.pod_template else []
    yield from _keys(f"{field}.podTemplate", [path for path, _ in found], policy.pod_template)
    for path, value in found:
        if path.endswith(".image") and not is_from(str(value), policy.registries):
            yield f"{field}.podTemplate: {value} is not from an allowed registry ({', '.join(policy.registries)})"
        if ".env." in path and _matches(path.split(".env.")[1].split(".")[0], policy.denied_variables):
            yield f"{field}.podTemplate: {path} may not be set"


def _networks(stack: Stack) -> Iterator[str]:
    """Yield networks that are opened and hold little else than a metadata service."""
    chosen = stack.spec.network_policy
    opened = dict[str, Peers | None](
        database=chosen.database, storage=chosen.storage, outside=chosen.outside, apiServer=chosen.api_server
    )
    opened |= {f"egress[{number}]": peers for number, peers in enumerate(chosen.egress or ())}
    for field, peers in opened.items():
        for cidr in (peers.cidrs if peers else None) or ():
            network = ipaddress.ip_network(cidr, strict=False)
            wide = network.prefixlen < MIN_METADATA_PREFIX[network.version]
            if not wide and any(ipaddress.ip_address(address) in network for address in METADATA_IN_NETWORKS):
                yield f"spec.networkPolicy.{field}: {cidr} is a metadata service"


def _addresses(stack: Stack, policy: Policy) -> Iterator[str]:
    spec = stack.spec
    oidc = spec.auth.providers.oidc if spec.auth.providers else None
    made = spec.database.cloud_native_pg
    buckets = {
        "storage.s3": spec.storage.s3,
        **({"backup.s3": spec.backup.s3} if spec.backup else {}),
        **({"database.cloudNativePG.backups": made.backups} if made and made.backups else {}),
    }
    starts = [url for source in spec.crawler.sources for url in source.start_urls or ()]
    keys = [("spec.auth.jwksUrl", spec.auth.jwks_url), ("spec.auth.providers.oidc.issuer", oidc and oidc.issuer)]
    endpoints = [(f"spec.{name}.endpoint", s3.endpoint) for name, s3 in buckets.items()]
    for field, url in [*endpoints, *keys, *(("spec.crawler.sources.startUrls", url) for url in starts)]:
        if url and is_metadata(_host(url)):
            yield f"{field}: {url} is a metadata service or a local address"
    for url in (*(url for _, url in keys), *starts):
        address = _address(_host(url)) if url else None
        if url and address is not None and not address.is_global and not is_metadata(_host(url)):
            yield f"{url} is an address of a private network; name its host"
    receivers = [(f"spec.{name}.endpoint", s3.endpoint) for name, s3 in buckets.items() if s3.credentials_secret_ref]
    for field, url in [*receivers, *keys[1:]]:
        host = _host(url or "")
        own = "." not in host or host.removesuffix(".svc").endswith(f".{stack.key.namespace}")
        if url and not own and not _matches(host, policy.secret_endpoints):
            allowed = ", ".join(policy.secret_endpoints)
            yield f"{field}: access keys may not be sent to {host} ({allowed} may receive them)"


def _ingress(stack: Stack, policy: Policy) -> Iterator[str]:
    annotations = (stack.spec.ingress.annotations if stack.spec.ingress else None) or {}
    yield from _keys("spec.ingress.annotations", annotations, policy.ingress_annotations)
    for name in annotations:
        if _matches(name, policy.denied_ingress_annotations):
            yield f"spec.ingress.annotations: {name} may not be set"


def _keys(field: str, asked: Iterable[str], allowed: Patterns) -> Iterator[str]:
    refused = [key for key in asked if not _matches(key, allowed)]
    if refused:
        yield f"{field}: {', '.join(refused)} not allowed (allowed: {', '.join(allowed) or 'none'})"


def _node_keys(affinity: Any) -> Iterator[str]:
    """Yield the keys of all expressions in a node affinity, of whatever shape."""
    if isinstance(affinity, dict):
        if isinstance(affinity.get("key"), str) and "operator" in affinity:
            yield affinity["key"]
        for child in affinity.values():
            yield from _node_keys(child)
    elif isinstance(affinity, list):
        for child in affinity:
            yield from _node_keys(child)


def is_metadata(host: str) -> bool:
    """Return whether a host is a metadata service, or an address of no other service: loopback, link-local."""
    address = _address(host)
    if address is None:
        return _matches(host, METADATA_HOSTS) or host == "localhost"
    return str(address) in METADATA_ADDRESSES or address.is_link_local or address.is_loopback or address.is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host is in any form that resolvers take: 127.1, 0x7f000001, 2130706433."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        parts = host.split(".")
        try:
            numbers = [
                int(part, 0 if part.lower().startswith("0x") else 8 if part[:1] == "0" else 10) for part in parts
            ]
        except ValueError:
            return None
        if len(numbers) > 4 or any(number < 0 for number in numbers):  # noqa: PLR2004 - the bytes of an address
            return None
        *heads, last = numbers
        value = last + sum(head << (24 - 8 * place) for place, head in enumerate(heads))
        return ipaddress.IPv4Address(value % 2**32)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _matches(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
