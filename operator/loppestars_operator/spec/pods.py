"""What may be overridden in the pods of a component: one bounded type, shared by all of them."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import (
    Annotations,
    Key,
    LabelKey,
    Labels,
    LabelValue,
    Model,
    Name,
    Quantity,
    Word,
    rules,
    unique_names,
)
from loppestars_operator.spec.template import PodTemplate


def _amounts(kind: str, sign: str) -> str:
    """Return the CEL rule that each value is a quantity of that sign; a pattern does not count for integers."""
    amount = f"string(self.{kind}[name])"
    compared = f"isQuantity({amount}) && quantity({amount}).compareTo(quantity('0')) {sign} 0"
    return f"!has(self.{kind}) || self.{kind}.all(name, {compared})"


class Resources(Model):
    """Requests and limits. What is not set keeps the component's default."""

    requests: Annotated[dict[Word, Quantity], Field(max_length=3)] | None = Field(
        None, description="Resources a node must have free: cpu, memory, ephemeral-storage."
    )
    limits: Annotated[dict[Word, Quantity], Field(max_length=3)] | None = Field(
        None, description="Resources a container may use at most: cpu, memory, ephemeral-storage."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                (
                    f"!has(self.{kind}) || self.{kind}.all(name, name in ['cpu', 'memory', 'ephemeral-storage'])",
                    f"{kind} knows cpu, memory and ephemeral-storage; remove the other names",
                )
                for kind in ("requests", "limits")
            ),
            *(
                (
                    f"!has(self.{kind}) || !('memory' in self.{kind}) || !string(self.{kind}['memory']).endsWith('m')",
                    f"{kind}.memory is in bytes, e.g. 256Mi; the suffix m means thousandths of a byte",
                )
                for kind in ("requests", "limits")
            ),
            (_amounts("requests", ">="), "requests holds amounts, e.g. 100m or 256Mi, that are not below 0"),
            (_amounts("limits", ">"), "limits holds amounts, e.g. 500m or 512Mi, that are above 0"),
            (
                (
                    "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || "
                    "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)"
                ),
                "a request is above the limit of the same name; lower the one or raise the other",
            ),
        )
    )


class JobOverrides(Model):
    """What may be said of the pods of a Job that has no component of its own."""

    resources: Resources | None = None
    pod_template: PodTemplate | None = Field(
        None, description="A strategic patch on the Job's pod template, bounded by the operator's policy."
    )


class Toleration(Model):
    """A taint that the pods put up with."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "a toleration without key needs operator: Exists, and tolerates every taint",
            ),
            (
                "!has(self.value) || self.value == '' || !has(self.operator) || self.operator == 'Equal'",
                "operator: Exists takes no value",
            ),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds belongs to effect: NoExecute",
            ),
        )
    )


class SecretKey(Model):
    """One key of a Secret."""

    name: Name
    key: Key


class EnvironmentVariable(Model):
    """An extra environment variable, by value or from a Secret."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: Annotated[str, Field(max_length=4096)] | None = None
    secret_key_ref: SecretKey | None = None

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.value) != has(self.secretKeyRef)", "set either value or secretKeyRef, and only one of them"),
        )
    )


class PodOverrides(Model):
    """Changes to a component's pods that have nothing to do with Loppestars itself."""

    labels: Labels | None = Field(None, description="Extra labels; the operator's own win.")
    annotations: Annotations | None = Field(None, description="Extra annotations.")
    node_selector: Labels | None = Field(None, description="Labels a node must have.")
    tolerations: Annotated[list[Toleration], Field(max_length=16)] | None = Field(
        None, description="Taints the pods put up with."
    )
    affinity: (
        Annotated[
            dict[str, Any],
            Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "additionalProperties": None}),
        ]
        | None
    ) = Field(None, description="A Kubernetes Affinity, handed on as it is and checked by the API server.")
    priority_class_name: Name | None = Field(None, description="Name of a PriorityClass.")
    env: Annotated[list[EnvironmentVariable], Field(max_length=32)] | None = Field(
        None, description="Extra environment variables; one that the operator sets itself is refused."
    )

    model_config = ConfigDict(json_schema_extra=rules(unique_names("env", "variables")))


class ServiceAccountOverrides(Model):
    """Annotations that bind the component's ServiceAccount to a cloud identity."""

    annotations: Annotations | None = Field(
        None, description="For example eks.amazonaws.com/role-arn, where S3 needs no Secret."
    )
