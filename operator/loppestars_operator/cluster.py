"""What the process's own settings say about the cluster that stacks run in."""

from dataclasses import replace

from loppestars_operator.rendering.context import ClusterFacts, Proxy
from loppestars_operator.settings import OperatorSettings
from loppestars_operator.spec.policy import Policy


def cluster_facts(settings: OperatorSettings) -> ClusterFacts:
    """Return what is known of the cluster from the process's own surroundings."""
    known = ClusterFacts(cluster_domain=settings.cluster_domain, api_server=settings.kubernetes_service_host)
    if settings.http_proxy or settings.https_proxy:
        known = replace(known, proxy=Proxy(settings.http_proxy, settings.https_proxy, settings.no_proxy))
    # Pods of a Service in both families are sent requests of both; 0.0.0.0 takes those of one.
    addresses = (settings.kubernetes_service_host, *settings.pod_ips)
    return replace(known, listen="::") if any(":" in address for address in addresses) else known


def policy_of(settings: OperatorSettings) -> Policy:
    """Return the bounds of what stacks may ask for, with the cluster's own domain."""
    hosts = settings.policy.secret_endpoints
    own = tuple(host.replace(".svc.cluster.local", f".svc.{settings.cluster_domain}") for host in hosts)
    return settings.policy.model_copy(update={"secret_endpoints": own})
