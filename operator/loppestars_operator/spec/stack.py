"""The LoppestarsStack: what a platform engineer writes."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from loppestars_operator.spec.auth import Auth
from loppestars_operator.spec.backup import Backup
from loppestars_operator.spec.base import REGISTRY, Model, Url, rules, unique_names
from loppestars_operator.spec.components import Api, Crawler, Imaging, Jobs
from loppestars_operator.spec.data import Database, Storage
from loppestars_operator.spec.notifications import Notifications
from loppestars_operator.spec.outside import CaBundle, Mesh, Monitoring, NetworkPolicy
from loppestars_operator.spec.rollout import Rollout
from loppestars_operator.spec.routes import Gateway, Ingress
from loppestars_operator.spec.secrets import SecretName

Tag = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_][a-zA-Z0-9._-]*$")]


class ImageSource(Model):
    """Where the images of all components come from."""

    registry: Annotated[str, Field(min_length=1, max_length=255, pattern=REGISTRY)] = Field(
        "ghcr.io/loppestars", description="Prefix of every image: <registry>/<component>:<version>."
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: Annotated[list[SecretName], Field(max_length=8)] | None = None

    model_config = ConfigDict(json_schema_extra=rules(unique_names("pullSecrets", "pull secrets")))


class Contact(Model):
    """Whom people write to; shown on pages."""

    privacy: Annotated[str, Field(max_length=320)] | None = Field(
        None, description="E-mail address for questions about personal data."
    )
    security: Annotated[str, Field(max_length=320, pattern=r"^(mailto:|https://|tel:)\S+$")] | None = Field(
        None, description="Where a vulnerability is reported: mailto:…, https://…."
    )


class StackSpec(Model):
    """Spec of a LoppestarsStack."""

    version: Tag = Field(description="Tag of every component's image, e.g. 0.1.0.")
    image: ImageSource = Field(default_factory=ImageSource)
    paused: bool = Field(default=False, description="The operator leaves the stack alone and says so.")
    hibernated: bool = Field(
        default=False, description="No pods run and nothing is started; data, routes and the number of pods are kept."
    )
    public_url: Url | None = Field(
        None,
        description="Base URL that clients see, where the routes do not tell: TLS that ends in front of them.",
    )
    rollout: Rollout | None = None
    database: Database
    storage: Storage
    auth: Auth
    api: Api = Field(default_factory=Api)
    imaging: Imaging = Field(default_factory=Imaging)
    crawler: Crawler = Field(default_factory=Crawler)
    jobs: Jobs = Field(default_factory=Jobs)
    backup: Backup | None = None
    notifications: Notifications | None = None
    contact: Contact | None = None
    ingress: Ingress | None = None
    gateway: Gateway | None = None
    ca_bundle: CaBundle | None = None
    mesh: Mesh | None = None
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
            ),
            (
                (
                    "!has(self.backup) || (self.backup.s3.bucket != self.storage.s3.originalsBucket"
                    " && self.backup.s3.bucket != self.storage.s3.processedBucket)"
                ),
                "backup.s3.bucket is a bucket of its own, which neither originals nor processed photos are in",
            ),
        )
    )
