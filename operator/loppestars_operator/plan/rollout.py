"""Which revision may serve: the migration gate, the switch of versions, the automatic rollback.

A revision is images and the spec that the pods are rendered from, so that a rollback returns the configuration too.
Pure: what was decided is in the status, what happened is in the observed objects, so a pass after a crash decides
the same again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from packaging.version import InvalidVersion, Version

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import digest
from loppestars_operator.plan.canary import Step, Trial, judge_canary
from loppestars_operator.plan.readiness import CONFIGURATION_REASONS, Readiness, Replicas, State
from loppestars_operator.plan.resolving import database_of
from loppestars_operator.rendering.context import API, IMAGING, JOBS
from loppestars_operator.spec import Images, Stack, StackSpec
from loppestars_operator.spec.state import CanaryStatus, MigrationStatus, RolloutStatus

# The oldest stack version that this operator can run. Whether a version can serve the database as it is, each
# release's own migration Job decides: it fails with the oldest version that can.
OLDEST_VERSION: Final = "0.1.0"
REASON_LIMIT: Final = 2000
SERVING_COMPONENTS: Final = (API, IMAGING, JOBS)
# A tag such as 0a1234567 is a commit, though the packaging library reads it as a version before 0.
_VERSION: Final = re.compile(r"\Av?[0-9]+\.[0-9]")


class Gate(Enum):
    """Whether the desired revision may serve."""

    OPEN = "open"
    MIGRATING = "migrating"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Revision:
    """Images, the spec that pods are rendered from, and the hash of each serving component's pod template."""

    images: Images
    spec: StackSpec
    templates: Mapping[str, str]

    @property
    def id(self) -> str:
        """Hash of all that makes pods differ."""
        return digest([self.images.to_json(), dict(self.templates)])


@dataclass(frozen=True, slots=True)
class MigrationJob:
    """The migration Job of the desired images: what is rendered, and what was seen of it.

    `foreign` says that a Job of its name belonged to an earlier stack of the same name, `waits` why it is too early.
    """

    manifest: Manifest
    readiness: Readiness | None = None
    finished_at: str | None = None
    foreign: bool = False
    waits: str = ""

    @property
    def name(self) -> str:
        """Name of the Job."""
        name: str = self.manifest["metadata"]["name"]
        return name


@dataclass(frozen=True, slots=True)
class Workload:
    """One observed Deployment: its image, the hash of its pod template if it bears one, and how it is."""

    image: str
    readiness: Readiness
    replicas: Replicas
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """The state of the migration gate, and what becomes of the migration Job."""

    gate: Gate
    migration: MigrationStatus | None
    message: str = ""
    reason: str = ""
    create: bool = False
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the pass is going to do.

    `revision` is rendered; None withholds everything after the gate. `rolled_back` is why the desired one is not.
    `canary` says that one pod of the API tries the desired one meanwhile.
    """

    desired: Revision
    revision: Revision | None
    passage: Passage
    rollout: RolloutStatus
    rolled_back: str | None = None
    canary: CanaryStatus | None = None

    @property
    def images(self) -> Images | None:
        """Images that are rendered."""
        return self.revision.images if self.revision else None

    @property
    def gate(self) -> Gate:
        """State of the migration gate."""
        return self.passage.gate


def plan_rollout(  # noqa: PLR0913 - what a pass knows
    stack: Stack,
    desired: Revision,
    served: Revision | None,
    job: MigrationJob,
    workloads: Mapping[str, Workload],
    *,
    trial: Trial | None = None,
) -> Plan:
    """Decide from the spec, the recorded status and what was observed; `served` is what the record says served last."""
    passage = judge_gate(stack, job, desired.images)
    if stack.spec.hibernated:
        return _asleep(stack, desired, served, passage, workloads)
    tried = None
    if trial and passage.gate is Gate.OPEN and wants_canary(desired, served):
        tried = _try(stack, desired, workloads, trial)
    held = tried is not None and tried.step in {Step.STARTING.value, Step.OBSERVED.value}
    rollout = judge_rollout(stack, desired, served, workloads, migrated=passage.gate is Gate.OPEN and not held)
    if tried:
        refusal = {"refused": desired.images, "refused_revision": desired.id, "refused_reason": tried.message}
        rollout = rollout.model_copy(update={"canary": tried, **(refusal if tried.step == Step.FAILED.value else {})})
    if is_refused(rollout, desired):
        open_gate = Passage(Gate.OPEN, stack.status.migration)
        why = rollout.refused_reason or "it did not become available"
        return Plan(desired, served, open_gate, rollout, rolled_back=why)
    if passage.gate is Gate.OPEN:
        return Plan(desired, served if held else desired, passage, rollout, canary=tried if held else None)
    if served is None and rollout.serving is not None:
        served = replace(desired, images=rollout.serving)
    # What serves stays as it is, configuration included. A record of an earlier operator holds images only, and what
    # is rendered from them would send the serving version to a database that is not migrated yet.
    moved = rollout.served is None and rollout.database not in {None, database_of(stack.spec)}
    return Plan(desired, None if moved else served, passage, rollout)


def wants_canary(desired: Revision, served: Revision | None) -> bool:
    """Return whether one pod of the API goes first: the spec asks for it, and another revision serves."""
    asked = desired.spec.rollout and desired.spec.rollout.canary
    return bool(asked and served and served.templates[API] != desired.templates[API])


def _try(stack: Stack, desired: Revision, workloads: Mapping[str, Workload], trial: Trial) -> CanaryStatus | None:
    """Return how far the canary is, or None where there is none: its revision was given up, or the stack is paused."""
    record, spec = _current(stack, desired, workloads), desired.spec
    if is_refused(record, desired) or spec.paused or spec.rollout is None or spec.rollout.canary is None:
        return None
    known = record.canary if record.canary and record.canary.revision == desired.id else None
    if known and known.step == Step.PASSED.value:
        return known
    since = known.since if known else trial.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    judgement = judge_canary(
        spec.rollout.canary,
        timedelta(seconds=spec.api.progress_deadline_seconds),
        datetime.fromisoformat(since),
        trial,
    )
    message = f"canary of version {spec.version}: {judgement.message}"[:REASON_LIMIT]
    return CanaryStatus(revision=desired.id, step=judgement.step.value, since=since, message=message)


def _asleep(
    stack: Stack, desired: Revision, served: Revision | None, passage: Passage, workloads: Mapping[str, Workload]
) -> Plan:
    """Return the plan of a hibernated stack: nothing is started, and what served is kept for the day it wakes."""
    if passage.create:
        passage = replace(passage, create=False, reason="Hibernated", message="waits until the stack wakes")
    kept = served or (desired if passage.gate is Gate.OPEN else None)
    return Plan(desired, kept, passage, _current(stack, desired, workloads))


def is_refused(record: RolloutStatus, desired: Revision) -> bool:
    """Return whether this revision was given up; a record of an earlier operator names images only."""
    if record.refused_revision is None:
        return record.refused == desired.images
    return record.refused_revision == desired.id


def judge_rollout(
    stack: Stack,
    desired: Revision,
    served: Revision | None,
    workloads: Mapping[str, Workload],
    *,
    migrated: bool,
) -> RolloutStatus:
    """Record that the desired revision serves, or that it failed and another that served is there to go back to."""
    record = _current(stack, desired, workloads)
    if is_refused(record, desired):
        return record
    # A Deployment of an earlier operator bears no hash of its template.
    images = {API: desired.images.api, IMAGING: desired.images.imaging}
    other = desired.spec.jobs.image or desired.images.api
    on_desired = {
        name: workload
        for name, workload in workloads.items()
        if workload.template == desired.templates[name]
        or (workload.template is None and workload.image == images.get(name, other))
    }
    complete = on_desired.keys() >= {*SERVING_COMPONENTS} and all(
        found.readiness.ready for found in on_desired.values()
    )
    if migrated and complete:
        update = {"serving": desired.images, "served": stack.spec.to_stored(), "version": stack.spec.version}
        return record.model_copy(update={**update, "database": database_of(stack.spec)})
    for name, workload in on_desired.items():
        changed = served is not None and served.templates[name] != desired.templates[name]
        if changed and workload.readiness.state is State.FAILED:
            reason = f"{name} {workload.image} did not become available: {workload.readiness.message}"
            update = {"refused": desired.images, "refused_revision": desired.id}
            return record.model_copy(update={**update, "refused_reason": reason[:REASON_LIMIT]})
    return record


def _current(stack: Stack, desired: Revision, workloads: Mapping[str, Workload]) -> RolloutStatus:
    """Return the record, freed of a refusal that no longer applies, with what serves filled in if it was lost."""
    record = stack.status.rollout or RolloutStatus()
    if record.refused is not None and (not is_refused(record, desired) or record.retry != stack.retry):
        record = record.model_copy(
            update={"refused": None, "refused_revision": None, "refused_reason": None, "canary": None}
        )
    ready = {name: workload for name, workload in workloads.items() if workload.readiness.ready}
    if record.serving is None and ready.keys() >= {API, IMAGING}:
        adopted = Images(api=ready[API].image, imaging=ready[IMAGING].image, crawler=desired.images.crawler)
        record = record.model_copy(update={"serving": adopted, "version": record.version or stack.spec.version})
    return record.model_copy(update={"retry": stack.retry})


def judge_gate(stack: Stack, job: MigrationJob, images: Images) -> Passage:  # noqa: PLR0911 - one return per case
    """Return whether the database is migrated for these images, and what becomes of the Job."""
    recorded, seen = stack.status.migration, job.readiness
    if refusal := _too_old(stack):
        return Passage(Gate.REFUSED, recorded, refusal)
    same_image = recorded and recorded.succeeded and recorded.image == images.api
    if recorded and same_image and recorded.database in {None, database_of(stack.spec)}:
        return Passage(Gate.OPEN, recorded)
    if job.foreign:
        message = "the Job of an earlier stack of this name has to go first"
        return Passage(Gate.MIGRATING, recorded, message, delete=True)
    if seen is None:
        if recorded and not recorded.succeeded and recorded.job == job.name:
            # It failed and was cleaned away; the same try would fail again.
            return Passage(Gate.FAILED, recorded, recorded.message or "the migration failed")
        if job.waits:
            return Passage(Gate.MIGRATING, recorded, job.waits, "DatabaseStarting")
        return Passage(Gate.MIGRATING, recorded, "the Job runs", create=True)
    found = MigrationStatus(image=images.api, job=job.name, succeeded=seen.ready, finished_at=job.finished_at)
    if seen.ready:
        return Passage(Gate.OPEN, found.model_copy(update={"database": database_of(stack.spec)}))
    if seen.state is not State.FAILED:
        reason = seen.reason if seen.reason in CONFIGURATION_REASONS else ""
        return Passage(Gate.MIGRATING, recorded, seen.message, reason)
    condition = stack.status.condition("DatabaseMigrated")
    if seen.reason == "DeadlineExceeded" and condition and condition.reason in CONFIGURATION_REASONS:
        # The last thing seen was that its pod could not start: no try was made at all.
        return Passage(Gate.MIGRATING, recorded, "the migration Job is tried again", delete=True)
    return Passage(Gate.FAILED, found.model_copy(update={"message": seen.message}), seen.message)


def _too_old(stack: Stack) -> str | None:
    """Return why the version asked for cannot serve the database, if it cannot."""
    if not _VERSION.match(stack.spec.version):
        return None  # a tag like `latest` says nothing; the migration Job itself refuses a newer database
    try:
        wanted = Version(stack.spec.version)
    except InvalidVersion:
        return None
    if wanted >= Version(OLDEST_VERSION):
        return None
    return f"this operator runs version {OLDEST_VERSION} and newer, not {wanted}; set spec.version accordingly"
