"""Status of a LoppestarsStack: what the operator reports and what it must remember between passes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from loppestars_operator.spec.base import MAX_COUNTED, Count, Model, Text, Time, Word
from loppestars_operator.spec.crawl import CrawlState

Image = Annotated[str, Field(max_length=512)]
Stored = Annotated[
    dict[str, Any],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "additionalProperties": None}),
]
Phase = Literal[
    "Pending",
    "Migrating",
    "Deploying",
    "Ready",
    "Degraded",
    "RolledBack",
    "Stalled",
    "Paused",
    "Hibernating",
    "Hibernated",
    "Waking",
]


class Condition(Model):
    """A Kubernetes condition."""

    type: Annotated[str, Field(min_length=1, max_length=64)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    message: Text
    observed_generation: Count
    last_transition_time: Time


class Images(Model):
    """The resolved image of every component: what a version really is."""

    api: Image
    imaging: Image
    crawler: Image


class ComponentStatus(Model):
    """How far one component is."""

    name: Word
    image: Image
    desired: Count
    ready: Count
    updated: Count


class LastCrawl(Model):
    """The crawl that finished last."""

    name: Word
    state: CrawlState
    finished_at: Time | None = None
    seen: Count = 0
    new: Count = 0
    failed: Count = 0


class HistoryEntry(Model):
    """A version that served, or was tried."""

    version: Word
    served_from: Time
    result: Literal["Serving", "Replaced", "RolledBack"]


class MigrationStatus(Model):
    """The last migration that finished. Its success is remembered here: the Job may be gone."""

    image: Image
    job: Word
    succeeded: bool
    finished_at: Time | None = None
    message: Text | None = None
    database: Text | None = Field(None, description="Secret and key by which the database was found.")


class CanaryStatus(Model):
    """The revision that was tried on one pod last, and how far that is."""

    revision: Word
    step: Literal["Starting", "Observed", "Passed", "Failed"]
    since: Time
    message: Text


class RolloutStatus(Model):
    """Which images serve, and which were given up."""

    version: Word | None = Field(None, description="Version that the serving images belong to.")
    serving: Images | None = Field(None, description="Images that were last Ready.")
    served: Stored | None = Field(None, description="Spec with which they were: a rollback returns to all of it.")
    database: Text | None = Field(None, description="Secret and key of the database on which they were.")
    refused: Images | None = Field(None, description="Images that did not become available and were rolled back.")
    refused_revision: Word | None = Field(None, description="Hash of the pod templates that were rolled back.")
    refused_reason: Text | None = None
    retry: Word | None = Field(None, description="Value of the retry annotation that was last acted on.")
    canary: CanaryStatus | None = None


Bytes = Annotated[int, Field(ge=0, le=2**60)]


class EndStatus(Model):
    """How a Job of a schedule ended last, and when one last succeeded: the Jobs may be gone."""

    backup: Word | None = None
    succeeded: bool
    finished_at: Time
    message: Text | None = None
    last_success_at: Time | None = None


class BackupStatus(EndStatus):
    """The backup that ended last."""

    taken_at: Time | None = Field(None, description="State of the database that is in it.")
    bytes: Bytes = 0
    files: Count = 0
    missing: Count = Field(0, description="Files that rows name and storage did not have.")


class DrillStatus(EndStatus):
    """The restore drill that ended last."""

    recovery_time_seconds: Count = Field(0, description="How long the restore took.")
    recovery_point_seconds: Count = Field(0, description="How much work would have been lost.")


class StackStatus(Model):
    """Status of a LoppestarsStack."""

    # -1 by the CRD's default: clients that judge by kstatus then wait for the operator's first word.
    observed_generation: Annotated[int, Field(ge=-1, le=MAX_COUNTED)] | None = None
    version: Word | None = None
    url: Annotated[str, Field(max_length=512)] | None = None
    phase: Phase | None = None
    conditions: (
        Annotated[
            list[Condition],
            Field(
                max_length=16,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
            ),
        ]
        | None
    ) = None
    components: (
        Annotated[
            list[ComponentStatus],
            Field(
                max_length=8,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            ),
        ]
        | None
    ) = None
    last_crawl: LastCrawl | None = None
    last_successful_crawl_at: Time | None = Field(None, description="When the last crawl that succeeded ended.")
    history: Annotated[list[HistoryEntry], Field(max_length=10)] | None = None
    operator: Word | None = Field(None, description="The operator that reconciles the stack: namespace and Lease.")
    migration: MigrationStatus | None = None
    backup: BackupStatus | None = None
    drill: DrillStatus | None = None
    rollout: RolloutStatus | None = None

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Self:
        """Read a stored status, leaving out the fields that another release of the operator wrote differently."""
        try:
            return cls.model_validate(stored)
        except ValidationError as error:
            strange = {fault["loc"][0] for fault in error.errors()}
            return cls.model_validate({name: value for name, value in stored.items() if name not in strange})

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type, if it was ever set."""
        return next((condition for condition in self.conditions or () if condition.type == kind), None)
