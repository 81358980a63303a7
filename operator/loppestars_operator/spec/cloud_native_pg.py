"""A PostgreSQL that the stack has made: a Cluster of CloudNativePG, with physical backups and recovery to a moment."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import ImageName, Model, Name, Quantity, Time, rules
from loppestars_operator.spec.pods import Resources
from loppestars_operator.spec.s3 import Bucket, S3Server
from loppestars_operator.spec.schedule import Schedule

CLUSTER: Final = "database"


def made_secret(stack: str) -> str:
    """Return the name of the Secret that CloudNativePG makes for the owner of the database."""
    return f"{stack}-{CLUSTER}-app"


class Volume(Model):
    """The volume of each instance."""

    size: Quantity = Field("10Gi", description="Size; it can grow and never shrink.")
    storage_class: Name | None = Field(None, description="Class of volumes; without it the cluster's default.")


class PhysicalBackups(S3Server):
    """A bucket for base backups and for the log of all changes, by which any moment can be had back."""

    bucket: Bucket
    server_name: Name | None = Field(
        None, description="Folder in the bucket; another one for each cluster. Without it the name of the Cluster."
    )
    schedule: Schedule = Field("0 2 * * *", description="When a base backup is made, in UTC.")
    retention: Annotated[str, Field(max_length=5, pattern=r"^[1-9][0-9]{0,3}d$")] = Field(
        "7d", description="How far back a moment can be had."
    )


class Recovery(Model):
    """Where a new Cluster begins: from the backups of another one, which may be gone."""

    server_name: Name = Field(description="Folder in the bucket: the serverName of the Cluster that is had back.")
    target_time: Time | None = Field(None, description="The moment to go back to; without it the newest.")


class CloudNativePG(Model):
    """A Cluster of CloudNativePG 1.26 or newer, owned by the stack: it goes with it, its backups stay."""

    instances: Annotated[int, Field(ge=1, le=9)] = Field(3, description="One primary, the others follow it.")
    image: ImageName | None = Field(None, description="Image of PostgreSQL 15 or newer; without it CloudNativePG's.")
    storage: Volume = Field(default_factory=Volume)
    resources: Resources | None = None
    backups: PhysicalBackups | None = None
    recovery: Recovery | None = Field(None, description="Read once, when the Cluster is made.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "!has(self.recovery) || (has(self.backups) && has(self.backups.serverName)"
                    " && self.backups.serverName != self.recovery.serverName)"
                ),
                "recovery reads from the bucket of backups, and the new Cluster needs another backups.serverName there",
            )
        )
    )
