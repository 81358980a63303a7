"""What surrounds the pods: NetworkPolicies and monitoring."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Cidrs, Labels, Model, Ports, addresses, rules


class Peers(Model):
    """Narrows one kind of outgoing traffic."""

    ports: Ports | None = None
    cidrs: Cidrs | None = None

    model_config = ConfigDict(json_schema_extra=rules(addresses("cidrs")))


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

    model_config = ConfigDict(json_schema_extra=rules(addresses("clientCidrs")))


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
