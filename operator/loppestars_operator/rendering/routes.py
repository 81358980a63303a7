"""The way in: Ingress, HTTPRoute, and the redirect from HTTP to HTTPS where TLS is on."""

from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.rendering.context import API, RenderContext, gateway_parents, ingress_enabled, without_none
from loppestars_operator.spec.routes import ParentReference

GATEWAY_GROUP: Final = "gateway.networking.k8s.io"
# Answers take up to 30 s; photos are larger than the 1 MiB that ingress-nginx and NGINX's own controller allow.
TIMEOUT: Final = {"haproxy.org/timeout-server": "60s"}
BODY_SIZES: Final = ("nginx.ingress.kubernetes.io/proxy-body-size", "nginx.org/client-max-body-size")
MAX_PHOTO_MIB: Final = 50
# What a multipart body holds next to the photo.
BODY_MARGIN_MIB: Final = 14
# An Ingress has no field for it, so each controller has its annotation; Traefik redirects by its entry point.
REDIRECT: Final = {
    "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
    "haproxy.org/ssl-redirect": "true",
    "ingress.kubernetes.io/force-ssl-redirect": "true",
}


def render_routes(context: RenderContext) -> list[Manifest]:
    """Return the Ingress and the HTTPRoutes that the spec asks for. Only port 8080 of the API is ever routed."""
    ingress = [_ingress(context)] if ingress_enabled(context.spec) else []
    return [*ingress, *_http_routes(context)]


def _ingress(context: RenderContext) -> Manifest:
    settings = context.spec.ingress
    if settings is None:
        raise AssertionError("an Ingress is rendered only where the spec has one")
    secret = settings.tls.secret_name
    largest = (context.spec.storage.max_photo_mib or MAX_PHOTO_MIB) + BODY_MARGIN_MIB
    bodies = dict.fromkeys(BODY_SIZES, f"{largest}m")
    annotations = {**bodies, **TIMEOUT, **(REDIRECT if secret else {}), **(settings.annotations or {})}
    backend = {"service": {"name": context.named(API), "port": {"name": "http"}}}
    manifest: Manifest = without_none(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": context.metadata(context.named(API), API, annotations=annotations),
            "spec": {
                "ingressClassName": settings.class_name or None,
                "tls": [{"hosts": [settings.host], "secretName": secret}] if secret else None,
                "rules": [
                    {
                        "host": settings.host,
                        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                    }
                ],
            },
        }
    )
    return manifest


def _http_routes(context: RenderContext) -> list[Manifest]:
    parents: list[ParentReference] = gateway_parents(context.spec)
    if not parents:
        return []
    gateway = context.spec.gateway
    timeout = gateway.request_timeout if gateway else ""
    forward: dict[str, Any] = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": context.named(API), "port": 80}],
        **({"timeouts": {"request": timeout}} if timeout else {}),
    }
    redirect = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
    serving = [_parent(parent, parent.section_name) for parent in parents]
    plain = [_parent(parent, parent.redirect_section_name) for parent in parents if parent.redirect_section_name]
    return [
        _http_route(context, API, serving, forward),
        *([_http_route(context, "redirect", plain, redirect)] if plain else []),
    ]


def _http_route(context: RenderContext, suffix: str, parents: list[dict[str, Any]], rule: dict[str, Any]) -> Manifest:
    gateway, ingress = context.spec.gateway, context.spec.ingress
    hostnames = list((gateway.hostnames if gateway else None) or ([ingress.host] if ingress and ingress.host else []))
    return {
        "apiVersion": f"{GATEWAY_GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": context.metadata(context.named(suffix), API),
        "spec": {"parentRefs": parents, "hostnames": hostnames, "rules": [rule]},
    }


def _parent(parent: ParentReference, section: str | None) -> dict[str, Any]:
    reference: dict[str, Any] = without_none(
        {"name": parent.name, "namespace": parent.namespace, "sectionName": section}
    )
    return reference
