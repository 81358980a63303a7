"""Backups of a stack: when, where to, for how long, and the drill that tries them."""

from typing import Annotated

from pydantic import ConfigDict, Field

from loppestars_core.contract.variables import BACKUP_VARIABLES
from loppestars_operator.spec.base import Model, rules
from loppestars_operator.spec.components import Component
from loppestars_operator.spec.reserved import not_reserved
from loppestars_operator.spec.s3 import Bucket, S3Server
from loppestars_operator.spec.schedule import Schedule, TimeZone
from loppestars_operator.spec.secrets import BackupKeySecret, DatabaseSecret


class BackupS3(S3Server):
    """The bucket of backups; best on another server than the photos', with an access key of its own."""

    bucket: Bucket

    model_config = ConfigDict(
        json_schema_extra=rules(("!isIP(self.bucket)", "a bucket's name may not have the form of an IP address"))
    )


class Drill(Model):
    """A rehearsal: the newest backup is restored into a database to throw away, and compared."""

    schedule: Schedule = Field("0 5 * * 0", description="Cron expression of five fields, in the backups' time zone.")
    scratch_secret_ref: DatabaseSecret = Field(
        description="Secret with the URL of an empty database that its user owns; each drill replaces what it holds."
    )
    max_recovery_minutes: Annotated[int, Field(ge=1, le=10_080)] = Field(
        60, description="A restore that takes longer makes the stack not Recoverable."
    )


class Backup(Component):
    """Backups of database and buckets, which agree, made while the platform runs."""

    schedule: Schedule = Field("0 3 * * *", description="Cron expression of five fields, or @daily and the like.")
    time_zone: TimeZone = "Europe/Copenhagen"
    suspend: bool = Field(default=False, description="No scheduled backups and drills.")
    retention: Annotated[str, Field(max_length=5, pattern=r"^[1-9][0-9]{0,3}d$")] = Field(
        "30d", description="Days after which a backup is deleted; the newest never is."
    )
    before_migration: bool = Field(
        default=True, description="No migration begins before a backup of the database has succeeded."
    )
    active_deadline_seconds: Annotated[int, Field(ge=120, le=86_400)] = Field(
        7200, description="A backup or drill is ended after it."
    )
    s3: BackupS3
    encryption_key_secret_ref: BackupKeySecret | None = Field(
        None, description="Secret with the key; without it backups are as readable as their bucket."
    )
    drill: Drill | None = None

    model_config = ConfigDict(json_schema_extra=rules(not_reserved(BACKUP_VARIABLES)))
