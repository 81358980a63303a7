"""The ways in: Ingress and HTTPRoute."""

from typing import Annotated

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Annotations, Host, Model, Name, each_once, rules


class Tls(Model):
    """Certificate of the host."""

    secret_name: Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")] = Field(
        "", description="Secret of type kubernetes.io/tls; empty serves plain HTTP."
    )


class Ingress(Model):
    """An Ingress to the API."""

    enabled: bool = True
    class_name: Annotated[str, Field(max_length=253)] = Field("", description="IngressClass; empty is the default one.")
    host: Host | None = None
    tls: Tls = Field(default_factory=Tls)
    annotations: Annotations | None = None

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!self.enabled || has(self.host)",
                "an enabled ingress needs host: the name under which the API is reached",
            )
        )
    )


class ParentReference(Model):
    """A listener of a Gateway."""

    name: Name
    namespace: Name | None = None
    section_name: Name | None = Field(None, description="Listener that serves the API.")
    redirect_section_name: Name | None = Field(
        None, description="Plain HTTP listener of the same Gateway whose requests are sent on to HTTPS."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "!has(self.redirectSectionName)"
                    " || (has(self.sectionName) && self.sectionName != self.redirectSectionName)"
                ),
                "redirectSectionName needs sectionName, the listener of HTTPS: without it the API answers on both",
            )
        )
    )


class Gateway(Model):
    """An HTTPRoute to the API, instead of or beside the Ingress."""

    parent_refs: Annotated[list[ParentReference], Field(max_length=8)] | None = None
    hostnames: Annotated[list[Host], Field(max_length=8)] | None = Field(
        None, description="Without it, the host of the ingress."
    )
    request_timeout: Annotated[str, Field(max_length=8, pattern=r"^([1-9][0-9]{0,4}(ms|s|m))?$")] = Field(
        "60s",
        description="How long the Gateway waits for an answer: a photo may take 30 seconds, Envoy's own limit is 15. "
        "Empty leaves it to the Gateway, as CRDs of the Gateway API before 1.2 need.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.hostnames) || self.hostnames.all(host, !isIP(host))",
                "hostnames are names, not IP addresses",
            ),
            each_once("hostnames"),
        )
    )
