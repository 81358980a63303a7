"""Which images may serve: the migration gate, the switch of versions, the automatic rollback.

Pure: what was decided is in the status, what happened is in the observed objects, so a pass after a crash decides
the same again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from packaging.version import InvalidVersion, Version

from loppestars_operator.kinds import Manifest
from loppestars_operator.plan.readiness import CONFIGURATION_REASONS, Readiness, Replicas, State
from loppestars_operator.rendering.context import API, CRAWLER, IMAGING
from loppestars_operator.spec import Images, Stack, StackSpec
from loppestars_operator.spec.state import MigrationStatus, RolloutStatus

# The oldest stack version that this operator can run. Whether a version can serve the database as it is, each
# release's own migration Job decides: it fails with the oldest version that can.
OLDEST_VERSION: Final = "0.1.0"
REASON_LIMIT: Final = 2000
# A tag such as 0a1234567 is a commit, though the packaging library reads it as a version before 0.
_VERSION: Final = re.compile(r"v?[0-9]+\.[0-9]")


class Gate(Enum):
    """Whether the desired images may serve."""

    OPEN = "open"
    MIGRATING = "migrating"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class MigrationJob:
    """The migration Job of the desired images: what is rendered, and what was seen of it.

    `foreign` says that one of its name is there that belonged to an earlier stack of the same name.
    """

    manifest: Manifest
    readiness: Readiness | None = None
    finished_at: str | None = None
    foreign: bool = False

    @property
    def name(self) -> str:
        """Name of the Job."""
        name: str = self.manifest["metadata"]["name"]
        return name


@dataclass(frozen=True, slots=True)
class Workload:
    """One observed Deployment: the image its template names, and how it is."""

    image: str
    readiness: Readiness
    replicas: Replicas


@dataclass(frozen=True, slots=True)
class Plan:
    """What the pass is going to do.

    `images` are rendered; None withholds everything after the gate. `create_migration` and `delete_migration` say what
    becomes of the migration Job. `rolled_back` is why the desired images do not serve.
    """

    desired: Images
    images: Images | None
    gate: Gate
    migration: MigrationStatus | None
    rollout: RolloutStatus
    create_migration: bool = False
    delete_migration: bool = False
    rolled_back: str | None = None
    reason: str = ""
    message: str = ""


def resolve_images(spec: StackSpec) -> Images:
    """Return the image of every component: its own, or registry and version."""

    def image(component: str, own: str | None) -> str:
        return own or f"{spec.image.registry}/{component}:{spec.version}"

    return Images(
        api=image(API, spec.api.image),
        imaging=image(IMAGING, spec.imaging.image),
        crawler=image(CRAWLER, spec.crawler.image),
    )


def database_of(spec: StackSpec) -> str:
    """Return by which Secrets and keys a stack finds its database."""
    own, direct = spec.database.secret_ref, spec.database.direct_secret_ref
    return f"{own.name}/{own.key}" + (f" {direct.name}/{direct.key}" if direct and direct.name else "")


def plan_rollout(stack: Stack, job: MigrationJob, workloads: Mapping[str, Workload]) -> Plan:
    """Decide from the spec, the recorded status and what was observed."""
    desired = resolve_images(stack.spec)
    rollout = _judge(stack, desired, _current(stack, desired, workloads), workloads)
    if rollout.refused == desired:
        return Plan(
            desired=desired,
            images=rollout.serving,
            gate=Gate.OPEN,
            migration=stack.status.migration,
            rollout=rollout,
            rolled_back=rollout.refused_reason or "it did not become available",
        )
    if refusal := _too_old(stack):
        return _withhold(stack, desired, rollout, Gate.REFUSED, message=refusal)
    return _pass_gate(stack, job, desired, rollout)


def _recorded(stack: Stack) -> RolloutStatus:
    return stack.status.rollout or RolloutStatus()


def _current(stack: Stack, desired: Images, workloads: Mapping[str, Workload]) -> RolloutStatus:
    """Return the record, freed of a refusal that no longer applies, with what serves filled in if it was lost."""
    record = _recorded(stack)
    if record.refused is not None and (record.refused != desired or record.retry != stack.retry):
        record = record.model_copy(update={"refused": None, "refused_reason": None})
    if record.serving is None and _all_ready(workloads):
        adopted = Images(api=workloads[API].image, imaging=workloads[IMAGING].image, crawler=desired.crawler)
        record = record.model_copy(update={"serving": adopted, "version": record.version or stack.spec.version})
    return record.model_copy(update={"retry": stack.retry})


def _judge(stack: Stack, desired: Images, record: RolloutStatus, workloads: Mapping[str, Workload]) -> RolloutStatus:
    """Record that the desired images serve, or that they failed and others that served are there to go back to."""
    if record.refused == desired:
        return record
    on_desired = {name: workload for name, workload in workloads.items() if workload.image == getattr(desired, name)}
    if len(on_desired) == len((API, IMAGING)) and _all_ready(on_desired):
        served = {"database": database_of(stack.spec)} if _is_migrated(stack, desired) else {}
        return record.model_copy(update={"serving": desired, "version": stack.spec.version, **served})
    changed = {
        name: workload
        for name, workload in on_desired.items()
        if record.serving is not None and workload.image != getattr(record.serving, name)
    }
    failed = next(
        ((name, workload) for name, workload in changed.items() if workload.readiness.state is State.FAILED), None
    )
    if failed is None:
        return record
    name, workload = failed
    reason = f"{name} {workload.image} did not become available: {workload.readiness.message}"
    return record.model_copy(update={"refused": desired, "refused_reason": reason[:REASON_LIMIT]})


def _all_ready(workloads: Mapping[str, Workload]) -> bool:
    return {API, IMAGING} <= workloads.keys() and all(workload.readiness.ready for workload in workloads.values())


def _is_migrated(stack: Stack, desired: Images) -> bool:
    """Whether a migration by this image to this database is on record."""
    recorded = stack.status.migration
    if recorded is None or not recorded.succeeded or recorded.image != desired.api:
        return False
    return recorded.database in {None, database_of(stack.spec)}


def _pass_gate(  # noqa: PLR0911 - one return a case
    stack: Stack, job: MigrationJob, desired: Images, rollout: RolloutStatus
) -> Plan:
    recorded = stack.status.migration
    if _is_migrated(stack, desired):
        return Plan(desired=desired, images=desired, gate=Gate.OPEN, migration=recorded, rollout=rollout)
    if job.foreign:
        message = "the Job of an earlier stack of this name has to go first"
        return _withhold(stack, desired, rollout, Gate.MIGRATING, delete=True, message=message)
    seen = job.readiness
    if seen is None:
        if recorded and not recorded.succeeded and recorded.job == job.name:
            # It failed and was cleaned away; the same try would fail again.
            return _withhold(stack, desired, rollout, Gate.FAILED, message=recorded.message or "the migration failed")
        return _withhold(stack, desired, rollout, Gate.MIGRATING, create=True, message="the Job runs")
    if seen.ready:
        migration = MigrationStatus(
            image=desired.api,
            job=job.name,
            succeeded=True,
            finished_at=job.finished_at,
            database=database_of(stack.spec),
        )
        return Plan(desired=desired, images=desired, gate=Gate.OPEN, migration=migration, rollout=rollout)
    if seen.state is State.FAILED:
        if seen.reason == "DeadlineExceeded" and _never_started(stack):
            return _withhold(
                stack, desired, rollout, Gate.MIGRATING, delete=True, message="the migration Job is tried again"
            )
        failure = MigrationStatus(
            image=desired.api, job=job.name, succeeded=False, finished_at=job.finished_at, message=seen.message
        )
        plan = _withhold(stack, desired, rollout, Gate.FAILED, message=seen.message)
        return replace(plan, migration=failure)
    reason = seen.reason if seen.reason in CONFIGURATION_REASONS else ""
    return replace(_withhold(stack, desired, rollout, Gate.MIGRATING, message=seen.message), reason=reason)


def _withhold(  # noqa: PLR0913 - what the pass knows, each named at the call
    stack: Stack,
    desired: Images,
    rollout: RolloutStatus,
    gate: Gate,
    *,
    message: str,
    create: bool = False,
    delete: bool = False,
) -> Plan:
    """Keep what serves; before the first version serves, render nothing behind the gate.

    Nor where the stack was pointed at another database: what is rendered would send the serving version there.
    """
    moved = rollout.database not in {None, database_of(stack.spec)}
    return Plan(
        desired=desired,
        images=None if moved else rollout.serving,
        gate=gate,
        migration=stack.status.migration,
        rollout=rollout,
        create_migration=create,
        delete_migration=delete,
        message=message,
    )


def _never_started(stack: Stack) -> bool:
    """Whether the last thing seen of the migration was that its pod could not start: no try was made at all."""
    condition = stack.status.condition("DatabaseMigrated")
    return bool(condition and condition.reason in CONFIGURATION_REASONS)


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
