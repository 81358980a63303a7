"""The LoppestarsStack: what a platform engineer writes."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from loppestars_core.contract.variables import API_VARIABLES, CRAWLER_VARIABLES, IMAGING_VARIABLES, JOBS_VARIABLES
from loppestars_operator.spec.base import (
    REGISTRY,
    Annotations,
    Cidrs,
    DatabaseSecret,
    Host,
    ImageName,
    Labels,
    Model,
    Name,
    OptionalDatabaseSecret,
    Ports,
    S3Secret,
    SecretName,
    TokenSecret,
    Url,
    addresses,
    rules,
    unique_names,
)
from loppestars_operator.spec.pods import PodOverrides, Resources, ServiceAccountOverrides
from loppestars_operator.spec.reserved import not_reserved
from loppestars_operator.spec.scaling import (
    EITHER_REPLICAS_OR_AUTOSCALING,
    Autoscaling,
    ImagingAutoscaling,
    Replicas,
)
from loppestars_operator.spec.sources import BUILT_IN_SOURCES, Source

Tag = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_][a-zA-Z0-9._-]*$")]
BUCKET: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
Bucket = Annotated[str, Field(min_length=3, max_length=63, pattern=BUCKET)]
Schedule = Annotated[
    str,
    Field(
        min_length=6,
        max_length=100,
        pattern=r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[^@\s]\S*( +\S+){4})$",
    ),
]
Deadline = Annotated[int, Field(ge=60, le=86_400)]
History = Annotated[int, Field(ge=0, le=100)]


class ImageSource(Model):
    """Where the images of all components come from."""

    registry: Annotated[str, Field(min_length=1, max_length=255, pattern=REGISTRY)] = Field(
        "ghcr.io/loppestars", description="Prefix of every image: <registry>/<component>:<version>."
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: Annotated[list[SecretName], Field(max_length=8)] | None = None

    model_config = ConfigDict(json_schema_extra=rules(unique_names("pullSecrets", "pull secrets")))


class MigrationPolicy(Model):
    """Limits of the Job that migrates the database before a new version serves."""

    active_deadline_seconds: Deadline = 600
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = 2


class Database(Model):
    """PostgreSQL, made and kept by somebody else: a stack never deletes it."""

    secret_ref: DatabaseSecret = Field(description="Secret with the URL that every component connects to.")
    direct_secret_ref: OptionalDatabaseSecret | None = Field(
        None, description="Secret with the server's own URL, where secretRef names a pooler in transaction mode."
    )
    migration: MigrationPolicy = Field(default_factory=MigrationPolicy)


class S3(Model):
    """The two buckets, made and kept by somebody else: a stack never deletes them."""

    originals_bucket: Bucket = "stall-photos"
    processed_bucket: Bucket = "stall-photos-processed"
    endpoint: Url | None = Field(None, description="URL of the S3 server; without it, Amazon's for the region.")
    public_url: Url | None = Field(None, description="Base URL of processed photos, where it is not the endpoint.")
    region: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")] = "eu-central-1"
    path_style: bool = Field(
        default=False, description="Bucket in the path rather than in the host name: most S3 servers."
    )
    credentials_secret_ref: S3Secret | None = Field(
        None, description="Secret with the access key; without it, workload identity by serviceAccount.annotations."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.originalsBucket != self.processedBucket",
                "originalsBucket and processedBucket must differ: originals are private, processed photos are not",
            ),
            (
                "!isIP(self.originalsBucket) && !isIP(self.processedBucket)",
                "a bucket's name may not have the form of an IP address",
            ),
        )
    )


class Originals(Model):
    """The private photos as they were uploaded."""

    retention: Annotated[str, Field(max_length=8, pattern=r"^([1-9][0-9]{0,5}(m|h)|[1-9][0-9]{0,2}d)$")] = Field(
        "24h", description="How long an original is kept once its photo is done, e.g. 30m, 24h, 7d."
    )
    sweep_schedule: Schedule = Field("*/15 * * * *", description="When the sweep runs (cron, in UTC).")


class Storage(Model):
    """Where photos lie."""

    s3: S3
    originals: Originals = Field(default_factory=Originals)


class Auth(Model):
    """How the API checks bearer tokens."""

    jwt_secret_ref: TokenSecret | None = Field(None, description="Shared secret of HS256 tokens.")
    jwks_url: Url | None = Field(None, description="Keys of RS256 and ES256 tokens.")
    issuer: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Required `iss`.")
    audience: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Required `aud`.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.jwtSecretRef) != has(self.jwksUrl)",
                "set jwtSecretRef for tokens with a shared secret or jwksUrl for tokens with public keys, and only one",
            )
        )
    )


class Component(Model):
    """What every component can be told."""

    image: ImageName | None = Field(None, description="Image with tag or digest, in place of registry and version.")
    resources: Resources | None = None
    pod: PodOverrides | None = None
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

    model_config = ConfigDict(json_schema_extra=rules(EITHER_REPLICAS_OR_AUTOSCALING, not_reserved(IMAGING_VARIABLES)))


class Geocoding(Model):
    """Who turns addresses into points."""

    provider: Literal["none"] = Field(
        "none", description="none takes the centre of the postal code and says that it is approximate."
    )


class Crawler(Component):
    """The crawler and its schedule."""

    schedule: Schedule = Field("0 2 * * *", description="Cron expression of five fields, or @daily and the like.")
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "Europe/Copenhagen"
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
    geocoding: Geocoding = Field(default_factory=Geocoding)

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.sources.all(one, self.sources.exists_one(other, other.name == one.name))",
                "two sources have the same name; give each its own",
            ),
            not_reserved(CRAWLER_VARIABLES),
        )
    )


class Jobs(Service):
    """The second worker: periodic and outgoing work. Two pods share the work; one is enough for most."""

    replicas: Replicas = Field(1, description="Number of pods.")

    model_config = ConfigDict(json_schema_extra=rules(not_reserved(JOBS_VARIABLES)))


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
            )
        )
    )


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


class StackSpec(Model):
    """Spec of a LoppestarsStack."""

    version: Tag = Field(description="Tag of every component's image, e.g. 0.1.0.")
    image: ImageSource = Field(default_factory=ImageSource)
    paused: bool = Field(default=False, description="The operator leaves the stack alone and says so.")
    public_url: Url | None = Field(
        None,
        description="Base URL that clients see, where the routes do not tell: TLS that ends in front of them.",
    )
    database: Database
    storage: Storage
    auth: Auth
    api: Api = Field(default_factory=Api)
    imaging: Imaging = Field(default_factory=Imaging)
    crawler: Crawler = Field(default_factory=Crawler)
    jobs: Jobs = Field(default_factory=Jobs)
    ingress: Ingress | None = None
    gateway: Gateway | None = None
    network_policy: NetworkPolicy = Field(default_factory=NetworkPolicy)
    monitoring: Monitoring = Field(default_factory=Monitoring)

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "!has(self.gateway) || !has(self.gateway.parentRefs) || size(self.gateway.parentRefs) == 0"
                    " || (has(self.gateway.hostnames) && size(self.gateway.hostnames) > 0)"
                    " || (has(self.ingress) && has(self.ingress.host))"
                ),
                "a gateway needs gateway.hostnames, or ingress.host, to know which requests are the API's",
            )
        )
    )
