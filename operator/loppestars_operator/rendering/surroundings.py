"""What surrounds the pods of a cluster: proxies, authorities of its own, and a service mesh."""

from typing import Any, Final

from loppestars_operator.rendering.context import HTTP_PORT, METRICS_PORT, RenderContext, host_of
from loppestars_operator.rendering.environment import Variable, value

CA_FOLDER: Final = "/etc/loppestars/ca"
CA_FILE: Final = f"{CA_FOLDER}/ca.crt"
# By which OpenSSL, requests, botocore and libpq find them, in this order.
CA_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "PGSSLROOTCERT")
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1", ".svc")

# The injectors' own words. A sidecar that is an init container ends with the Job whose pod it is in.
_ANNOTATIONS: Final = {
    "Istio": {
        "sidecar.istio.io/nativeSidecar": "true",
        # Prometheus is mostly outside of the mesh, and probes come from the node.
        "traffic.sidecar.istio.io/excludeInboundPorts": str(METRICS_PORT),
    },
    "IstioAmbient": {},
    "Linkerd": {
        "linkerd.io/inject": "enabled",
        "config.alpha.linkerd.io/proxy-enable-native-sidecar": "true",
        "config.beta.linkerd.io/proxy-enable-native-sidecar": "true",
        "config.linkerd.io/skip-inbound-ports": str(METRICS_PORT),
    },
}
_LABELS: Final = {
    "Istio": {"sidecar.istio.io/inject": "true"},
    "IstioAmbient": {"istio.io/dataplane-mode": "ambient"},
    "Linkerd": {},
}
_NAMESPACES: Final = {"Istio": "istio-system", "IstioAmbient": "istio-system", "Linkerd": "linkerd"}
# Where a sidecar gets its certificate and its configuration; ambient pods talk to the node only.
_CONTROL_PORTS: Final = {"Istio": (15010, 15012), "IstioAmbient": (), "Linkerd": (8080, 8086, 8090)}
# What arrives in place of the pod's own port, once the peer is in the mesh too.
_TUNNEL_PORTS: Final = {"Istio": (15008,), "IstioAmbient": (15008,), "Linkerd": (4143,)}
# The kubelet's probes seem to come from here in an ambient mesh.
_AMBIENT_PROBES: Final = ("169.254.7.127/32", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128")


def variables(context: RenderContext) -> list[Variable]:
    """Return by which proxies and authorities every program reaches the outside."""
    found = [variable for name in CA_VARIABLES for variable in value(name, CA_FILE)] if context.spec.ca_bundle else []
    proxy = context.facts.proxy
    if proxy is None:
        return found
    hosts = (host_of(context.spec.storage.s3.endpoint), context.facts.api_server)
    own = [host for host in hosts if host and _is_inside(context, host)]
    beside = [*proxy.no_proxy, *LOCAL_HOSTS, f".{context.facts.cluster_domain}", *own]
    return [
        *found,
        *value("HTTP_PROXY", proxy.http or None),
        *value("HTTPS_PROXY", proxy.https or None),
        *value("NO_PROXY", ",".join(dict.fromkeys(beside))),
    ]


def ca_mounts(context: RenderContext) -> list[dict[str, Any]]:
    """Return where a container finds the certificates of authorities."""
    return [{"name": "ca", "mountPath": CA_FOLDER, "readOnly": True}] if context.spec.ca_bundle else []


def ca_volumes(context: RenderContext) -> list[dict[str, Any]]:
    """Return the volume that holds them."""
    bundle = context.spec.ca_bundle
    if bundle is None:
        return []
    if bundle.secret_ref:
        source = {"secret": {"secretName": bundle.secret_ref.name, "items": _item(bundle.secret_ref.key)}}
    elif bundle.config_map_ref:
        source = {"configMap": {"name": bundle.config_map_ref.name, "items": _item(bundle.config_map_ref.key)}}
    else:
        return []
    return [{"name": "ca", **source}]


def mesh_annotations(context: RenderContext) -> dict[str, str]:
    """Return what the mesh's injector reads of a pod."""
    mesh = context.spec.mesh
    return dict(_ANNOTATIONS[mesh.type]) if mesh else {}


def mesh_labels(context: RenderContext) -> dict[str, str]:
    """Return by which labels a pod is taken into the mesh."""
    mesh = context.spec.mesh
    return dict(_LABELS[mesh.type]) if mesh else {}


def mesh_egress(context: RenderContext) -> list[dict[str, Any]]:
    """Return rules for what a sidecar sends: to its control plane, and to the sidecars of others."""
    mesh = context.spec.mesh
    if mesh is None:
        return []
    control, namespace = _CONTROL_PORTS[mesh.type], mesh.namespace or _NAMESPACES[mesh.type]
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return [*([{**_tcp(control), "to": [peer]}] if control else []), _tcp(_TUNNEL_PORTS[mesh.type])]


def mesh_ingress(context: RenderContext, clients: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rules for what reaches a pod through the mesh: from the same clients, by another port."""
    mesh = context.spec.mesh
    if mesh is None:
        return []
    probes = {**_tcp((HTTP_PORT, METRICS_PORT)), "from": [{"ipBlock": {"cidr": cidr}} for cidr in _AMBIENT_PROBES]}
    return [{**clients, **_tcp(_TUNNEL_PORTS[mesh.type])}, *([probes] if mesh.type == "IstioAmbient" else [])]


def _is_inside(context: RenderContext, host: str) -> bool:
    """Return whether a host is one of the cluster's, as far as its name or its being the API server says."""
    return "." not in host or host == context.facts.api_server or host.endswith(f".{context.stack.key.namespace}")


def _item(key: str) -> list[dict[str, str]]:
    return [{"key": key, "path": "ca.crt"}]


def _tcp(ports: tuple[int, ...]) -> dict[str, Any]:
    return {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
