"""What the operator reads from its environment."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from loppestars_core.kit.settings import ComponentSettings
from loppestars_operator.spec.policy import Policy

Names = Annotated[tuple[str, ...], NoDecode]


class OperatorSettings(ComponentSettings):
    """Settings of `loppestars-operator`."""

    watch_namespaces: Names = Field(
        (), description="namespaces whose stacks are reconciled, comma-separated; empty: all of the cluster"
    )
    lease_namespace: str = Field("default", description="namespace of the Lease that elects the leader")
    lease_name: str = Field("loppestars-operator", description="name of that Lease")
    read_secrets: bool = Field(
        default=False,
        description="read the metadata of Secrets that stacks name, to report missing and roll rotated ones",
    )
    reserve_secrets: bool = Field(
        default=False, description="use only Secrets with the label loppestars.dev/stacks: any, or the stack's name"
    )
    resync_seconds: float = Field(600, ge=10, le=86_400, description="interval of the full resync")
    http_proxy: str = Field("", description="proxy of pods for http URLs; the operator itself uses none")
    https_proxy: str = Field("", description="likewise for https URLs")
    no_proxy: Names = Field(
        (), description="hosts that pods reach without it, comma-separated, next to the cluster's own"
    )
    cluster_domain: str = Field("cluster.local", description="domain of the cluster's Services")
    pod_ips: Names = Field((), description="addresses of the operator's own pod: pods listen on :: where one is IPv6")
    kubernetes_service_host: str = Field("", description="address of the API server, as the kubelet sets it")
    policy: Policy = Field(default_factory=Policy, description="bounds of what stacks may ask for, as JSON")
    workers: int = Field(8, ge=1, le=64, description="stacks reconciled at the same time")

    @field_validator("watch_namespaces", "no_proxy", "pod_ips", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
