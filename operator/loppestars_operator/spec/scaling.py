"""How many pods a component has, and how fast that number may change."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Model, rules

Replicas = Annotated[int, Field(ge=1, le=1000)]
Utilization = Annotated[int, Field(ge=1, le=400)]
_ORDERED: Final = (
    "self.minReplicas <= self.maxReplicas",
    "minReplicas is above maxReplicas; lower the one or raise the other",
)


class ScalingPolicy(Model):
    """At most `value` pods, or per cent of them, in `periodSeconds`."""

    type: Literal["Pods", "Percent"]
    value: Annotated[int, Field(ge=1, le=1000)]
    period_seconds: Annotated[int, Field(ge=1, le=1800)]


class ScalingDirection(Model):
    """How fast one direction may go."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    select_policy: Literal["Max", "Min", "Disabled"] | None = None
    policies: Annotated[list[ScalingPolicy], Field(max_length=4)] | None = None


class ScalingBehavior(Model):
    """The `behavior` of a HorizontalPodAutoscaler. Left empty, it scales out at once and in slowly."""

    scale_up: ScalingDirection | None = None
    scale_down: ScalingDirection | None = None


class Autoscaling(Model):
    """Bounds and target of the API's HorizontalPodAutoscaler."""

    min_replicas: Replicas = 2
    max_replicas: Replicas = 10
    target_cpu_utilization: Utilization = Field(
        70, alias="targetCPUUtilization", description="Per cent of the requested CPU to aim for."
    )
    behavior: ScalingBehavior | None = None

    model_config = ConfigDict(json_schema_extra=rules(_ORDERED))


class ImagingAutoscaling(Model):
    """Bounds and target for the imaging workers: CPU, or the length of the queue where KEDA is installed."""

    min_replicas: Replicas = 1
    max_replicas: Replicas = 8
    target_cpu_utilization: Utilization = Field(
        70, alias="targetCPUUtilization", description="Per cent of the requested CPU to aim for."
    )
    behavior: ScalingBehavior | None = None
    queue_depth: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Waiting photos per worker; asks for a KEDA ScaledObject in place of the autoscaler on CPU."
    )

    model_config = ConfigDict(json_schema_extra=rules(_ORDERED))


EITHER_REPLICAS_OR_AUTOSCALING: Final = (
    "!(has(self.replicas) && has(self.autoscaling))",
    "set replicas for a fixed number of pods or autoscaling for a range, not both",
)
