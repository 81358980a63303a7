"""Where a stack's data lies: the database and the buckets, made and kept by others."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Model, Url, rules
from loppestars_operator.spec.cloud_native_pg import CloudNativePG
from loppestars_operator.spec.pods import JobOverrides
from loppestars_operator.spec.s3 import Bucket, S3Server
from loppestars_operator.spec.schedule import Deadline, Schedule
from loppestars_operator.spec.secrets import DatabaseRole, DatabaseSecret, OptionalDatabaseSecret


class MigrationPolicy(JobOverrides):
    """The Job that migrates the database before a new version serves."""

    active_deadline_seconds: Deadline = 600
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = 2


class DatabaseRoles(Model):
    """One PostgreSQL role per component, made by others; the migration grants each what it needs."""

    migrate: DatabaseRole | None = Field(None, description="Owner of the tables; without it the user of secretRef.")
    api: DatabaseRole | None = None
    imaging: DatabaseRole | None = None
    crawler: DatabaseRole | None = None
    jobs: DatabaseRole | None = None


_ROLES: Final = tuple(DatabaseRoles.model_fields)


class Database(Model):
    """PostgreSQL: managed outside the stack, which never deletes it, or made for it by `cloudNativePG`."""

    secret_ref: DatabaseSecret = Field(description="Secret with the URL that every component connects to.")
    direct_secret_ref: OptionalDatabaseSecret | None = Field(
        None, description="Secret with the server's own URL, where secretRef names a pooler in transaction mode."
    )
    roles: DatabaseRoles | None = Field(
        None, description="A Secret per component, with the URL of a role that may do only what the component needs."
    )
    cloud_native_pg: Annotated[CloudNativePG | None, Field(alias="cloudNativePG")] = Field(
        None,
        alias="cloudNativePG",
        description="The database as a Cluster of CloudNativePG; secretRef is {name: <stack>-database-app, key: uri}.",
    )
    migration: MigrationPolicy = Field(default_factory=MigrationPolicy)

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.roles) || !has(self.directSecretRef) || !has(self.directSecretRef.name) || ("
                + " && ".join(f"(!has(self.roles.{name}) || has(self.roles.{name}.directKey))" for name in _ROLES)
                + ")",
                "where secretRef names a pooler, each of roles needs directKey, its URL at the server itself",
            ),
            (
                "!has(oldSelf.cloudNativePG) || has(self.cloudNativePG)",
                "without cloudNativePG the database would be deleted; delete the stack instead",
            ),
        )
    )

    def role_of(self, component: str) -> DatabaseRole | None:
        """Return the Secret of a component's own role."""
        role: DatabaseRole | None = getattr(self.roles, component, None)
        return role


class S3(S3Server):
    """The two buckets, managed outside the stack, which never deletes them."""

    originals_bucket: Bucket = "stall-photos"
    processed_bucket: Bucket = "stall-photos-processed"
    public_url: Url | None = Field(None, description="Base URL of processed photos, where it is not the endpoint.")

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
    sweep: JobOverrides | None = Field(None, description="The pods of the sweep.")


class Storage(Model):
    """Where photos lie."""

    s3: S3
    originals: Originals = Field(default_factory=Originals)
    max_photo_mib: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="Largest photo in MiB, for API, imaging and Ingress alike; the default is 50."
    )
