"""What surrounds the pods: NetworkPolicies, meshes, authorities, monitoring."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Cidrs, Key, Labels, Model, Name, Ports, addresses, each_once, rules
from loppestars_operator.spec.secrets import CertificatesSecret


class Peers(Model):
    """Narrows one kind of outgoing traffic."""

    ports: Ports | None = None
    cidrs: Cidrs | None = None

    model_config = ConfigDict(json_schema_extra=rules(addresses("cidrs"), each_once("ports")))


class Egress(Peers):
    """Outgoing traffic of all pods: to networks, or to the pods of some namespaces."""

    namespace_selector: Labels | None = Field(None, description="Labels of the namespaces whose pods are reached.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            addresses("cidrs"),
            each_once("ports"),
            (
                "has(self.ports) || has(self.cidrs) || has(self.namespaceSelector)",
                "say ports, cidrs or namespaceSelector",
            ),
            ("!has(self.cidrs) || !has(self.namespaceSelector)", "set either cidrs or namespaceSelector"),
        )
    )


class NetworkPolicy(Model):
    """Default-deny NetworkPolicies that let through what the platform needs."""

    enabled: bool = True
    client_cidrs: Cidrs | None = Field(None, description="Who may reach the API; without it, anyone.")
    database: Peers | None = Field(None, description="Default: ports 5432 and 6432, any address.")
    storage: Peers | None = Field(None, description="Default: the port of the S3 endpoint, any address.")
    api_server: Peers | None = Field(None, description="Default: ports 443 and 6443, any address.")
    outside: Peers | None = Field(
        None, description="Crawled sites, geocoder, keys. Default: ports 80, 443 and those of startUrls."
    )
    egress: Annotated[list[Egress], Field(max_length=8)] | None = Field(
        None, description="What else every pod may reach, e.g. what a sidecar talks to."
    )

    model_config = ConfigDict(json_schema_extra=rules(addresses("clientCidrs")))


class Mesh(Model):
    """The service mesh that takes in the pods: sidecars end with their Jobs, and reach their control plane."""

    type: Literal["Istio", "IstioAmbient", "Linkerd"]
    namespace: Name | None = Field(
        None, description="Of the control plane; istio-system or linkerd where it is not set."
    )


class CertificatesConfigMap(Model):
    """The key of a ConfigMap that holds certificates of authorities."""

    name: Name = Field(description="Name of the ConfigMap.")
    key: Key = Field("ca.crt", description="Key whose value is certificates (PEM), one after the other.")


class CaBundle(Model):
    """Certificates of all authorities that pods trust, public ones included, for every outgoing connection."""

    config_map_ref: CertificatesConfigMap | None = None
    secret_ref: CertificatesSecret | None = None

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.configMapRef) != has(self.secretRef)",
                "set either configMapRef or secretRef, and only one of them",
            )
        )
    )


class Monitoring(Model):
    """Objects of prometheus-operator."""

    mode: Literal["Auto", "Enabled", "Disabled"] = Field(
        "Auto", description="Auto: where the CRDs of prometheus-operator are installed."
    )
    labels: Labels | None = Field(None, description="Labels that your Prometheus selects monitors and rules by.")
    interval: Annotated[str, Field(max_length=8, pattern=r"^[1-9][0-9]{0,3}s$")] = "30s"
    namespace_selector: Labels | None = Field(
        None, description="Labels of the namespaces that may scrape port 9090; without it, any namespace."
    )
    storage_budget: Annotated[int, Field(ge=1, le=2**60)] | None = Field(
        None, description="Bytes; an alert fires when the photos take more than 90 % of it."
    )
