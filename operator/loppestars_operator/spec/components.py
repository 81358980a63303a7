"""The components of a stack and what may be said of each."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from loppestars_core.contract.variables import API_VARIABLES, CRAWLER_VARIABLES, IMAGING_VARIABLES, JOBS_VARIABLES
from loppestars_operator.spec.base import Cidrs, ImageName, Model, addresses, rules
from loppestars_operator.spec.pods import PodOverrides, Resources, ServiceAccountOverrides
from loppestars_operator.spec.reserved import not_reserved
from loppestars_operator.spec.scaling import (
    EITHER_REPLICAS_OR_AUTOSCALING,
    Autoscaling,
    ImagingAutoscaling,
    Replicas,
)
from loppestars_operator.spec.schedule import Deadline, History, Schedule, TimeZone
from loppestars_operator.spec.secrets import AnonKeysSecret, ApiKeySecret, BearerSecret
from loppestars_operator.spec.sources import BUILT_IN_SOURCES, Source
from loppestars_operator.spec.template import PodTemplate

Mib = Annotated[int, Field(ge=128, le=65_536)]


class Component(Model):
    """What every component can be told."""

    image: ImageName | None = Field(None, description="Image with tag or digest, in place of registry and version.")
    resources: Resources | None = None
    pod: PodOverrides | None = None
    pod_template: PodTemplate | None = Field(
        None,
        description="A strategic patch on the pod template, for what has no field: volumes, sidecars, user IDs. "
        "The operator's policy bounds it; image, command and variables of the own container stay.",
    )
    service_account: ServiceAccountOverrides | None = None


class Service(Component):
    """A component that runs all the time."""

    progress_deadline_seconds: Annotated[int, Field(ge=10, le=3600)] = Field(
        300, description="A new version that is not available by then is rolled back."
    )
    replicas: Replicas | None = Field(None, description="A fixed number of pods; excludes autoscaling.")


class Api(Service):
    """The HTTP API."""

    autoscaling: Autoscaling | None = Field(None, description="Range of pods; the default is 2 to 10 at 70 % CPU.")
    trusted_proxies: Cidrs | None = Field(
        None,
        description="Whose X-Forwarded-For counts for rate limits: the addresses of the ingress controller's pods. "
        "Without it everybody behind an ingress counts as one address.",
    )
    operator_token_secret_ref: BearerSecret | None = Field(
        None, description="Token with which scripts report to /functions/v1; without it these routes are closed."
    )
    anon_keys_secret_ref: AnonKeysSecret | None = Field(
        None, description="Keys with which the mobile app calls /rest/v1; without it these routes are closed."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            EITHER_REPLICAS_OR_AUTOSCALING, not_reserved(API_VARIABLES), addresses("trustedProxies", single=True)
        )
    )


class Blur(Model):
    """How faces are made unrecognisable."""

    style: Literal["mosaic", "smooth", "solid"] = Field("mosaic", description="The least treatment of a face.")
    min_confidence: Annotated[str, Field(max_length=6, pattern=r"^(0(\.[0-9]{1,3})?|1(\.0{1,3})?)$")] = Field(
        "0.5", description="Detections below it are not faces; a lower value covers more."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "double(self.minConfidence) > 0.0 && double(self.minConfidence) <= 0.6",
                "minConfidence is above 0 and at most 0.6: a higher one would leave faces as they are",
            )
        )
    )


class Engine(Model):
    """The processes that hold photos. What is not set keeps imaging's own default."""

    processes: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None, description="Photos that one pod processes at the same time, each in a process of its own."
    )
    memory_mib: Annotated[int, Field(ge=384, le=65_536)] | None = Field(
        None, description="Memory at which one such process ends itself; the pod's default limit follows it."
    )
    recycle_mib: Mib | None = Field(None, description="Memory above which it is replaced after its photo.")
    recycle_photos: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Photos after which it is replaced."
    )
    sandbox: Literal["auto", "required", "off"] | None = Field(
        None,
        description="Confinement: auto (by all that the kernel allows), required (no photo where system calls cannot "
        "be filtered), off (only where the operator's policy allows it).",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.memoryMib) || !has(self.recycleMib) || self.recycleMib < self.memoryMib",
                "recycleMib is below memoryMib: at memoryMib the process has ended",
            )
        )
    )


class Imaging(Service):
    """The workers that anonymise photos."""

    autoscaling: ImagingAutoscaling | None = Field(None, description="Range of pods; the default is 1 to 8.")
    blur: Blur = Field(default_factory=Blur)
    # Without a default: rendering one would restart the pods of stacks that say nothing of it.
    search_orientations: Literal["never", "auto", "always"] | None = Field(
        None,
        description="Search photos that lie on their side: never, auto (where no face is clear upright; what happens "
        "without it) or always, which costs up to four times the work.",
    )
    max_published_side: Annotated[int, Field(ge=0, le=65_535)] | None = Field(
        None, description="Longest side of published photos in pixels; larger ones shrink, 0 keeps every pixel."
    )
    engine: Engine | None = None

    model_config = ConfigDict(json_schema_extra=rules(EITHER_REPLICAS_OR_AUTOSCALING, not_reserved(IMAGING_VARIABLES)))


class Geocoding(Model):
    """Who turns addresses into points."""

    provider: Literal["none", "datafordeleren", "geoapify", "nominatim"] = Field(
        "none", description="none takes the centre of the postal code and says that it is approximate."
    )
    api_key_secret_ref: ApiKeySecret | None = Field(None, description="Key of datafordeleren (its token) or geoapify.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(self.provider in ['datafordeleren', 'geoapify']) == has(self.apiKeySecretRef)",
                "datafordeleren and geoapify need apiKeySecretRef, the Secret with their key; the others take none",
            )
        )
    )


class Crawler(Component):
    """The crawler and its schedule."""

    schedule: Schedule = Field("0 2 * * *", description="Cron expression of five fields, or @daily and the like.")
    time_zone: TimeZone = "Europe/Copenhagen"
    suspend: bool = Field(default=False, description="No scheduled crawls; those asked for still run.")
    sources: Annotated[list[Source], Field(min_length=1, max_length=32)] = Field(
        [Source(name=name) for name in BUILT_IN_SOURCES], description="Sites to crawl."
    )
    active_deadline_seconds: Annotated[int, Field(ge=120, le=86_400)] = Field(
        3600, description="A crawl is ended after it; the crawler stops by itself 30 seconds earlier."
    )
    starting_deadline_seconds: Deadline = Field(3600, description="How late a scheduled crawl may start.")
    successful_history_limit: History = 10
    failed_history_limit: History = 10
    parallelism: Annotated[int, Field(ge=1, le=16)] | None = Field(
        None, description="Sources that are read at the same time; the default is 4."
    )
    max_source_seconds: Annotated[int, Field(ge=60, le=86_400)] | None = Field(
        None, description="Longest time for one source; the default is 3600."
    )
    geocoding: Geocoding = Field(default_factory=Geocoding)

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.sources.all(one, self.sources.exists_one(other, other.name == one.name))",
                "two sources have the same name; give each its own",
            ),
            ("self.sources.exists(one, one.enabled)", "every source is disabled; suspend the schedule instead"),
            not_reserved(CRAWLER_VARIABLES),
        )
    )


class Jobs(Service):
    """The second worker: periodic and outgoing work. Two pods share the work; one is enough for most."""

    replicas: Replicas = Field(1, description="Number of pods.")

    model_config = ConfigDict(json_schema_extra=rules(not_reserved(JOBS_VARIABLES)))
