"""Whether what is lost could be had back: the backups and drills that ended, and the condition that follows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVar

from loppestars_operator.kinds import component_of, pods_of
from loppestars_operator.plan.hibernation import awake_since
from loppestars_operator.plan.readiness import (
    State,
    ended_init,
    job_finished_at,
    job_readiness,
    report_in,
    terminated,
)
from loppestars_operator.plan.routing import job_notes
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.rendering.context import BACKUP, DRILL, MIGRATE
from loppestars_operator.rendering.schedules import overdue_hours
from loppestars_operator.spec import Stack
from loppestars_operator.spec.backup import Drill
from loppestars_operator.spec.base import MAX_COUNTED
from loppestars_operator.spec.state import BackupStatus, DrillStatus, EndStatus

Truth = Literal["True", "False", "Unknown"]
MESSAGE_LIMIT: Final = 1000
Recorded = TypeVar("Recorded", bound=EndStatus)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is recorded of backups and drills, and the condition `Recoverable`."""

    backup: BackupStatus | None
    drill: DrillStatus | None
    recoverable: Truth
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _End:
    """How one backup or drill ended; `report` is what its container left."""

    finished_at: str
    succeeded: bool
    report: dict[str, Any]
    message: str


def judge_recovery(stack: Stack, snapshot: Snapshot, now: datetime) -> Recovery:
    """Return what the ended Jobs and the recorded status say together; Jobs are pruned, the record stays."""
    before_migrations = [
        _End(end["finishedAt"], end.get("exitCode") == 0, report_in(end), end.get("message") or "")
        for pod in snapshot.pods_of_component(MIGRATE)
        if (end := ended_init(pod, BACKUP)) and end.get("finishedAt")
    ]
    ends = [*_ends_of(snapshot, BACKUP), *before_migrations]
    drills = [
        DrillStatus(
            backup=_text(end.report, "backup"),
            succeeded=end.succeeded,
            finished_at=end.finished_at,
            recovery_time_seconds=_number(end.report, "recoveryTimeSeconds"),
            recovery_point_seconds=_number(end.report, "recoveryPointSeconds"),
            message=None if end.succeeded else _why(end),
        )
        for end in _ends_of(snapshot, DRILL)
    ]
    backup = _newest(stack.status.backup, [_backup(end) for end in ends])
    drill = _newest(stack.status.drill, drills)
    return Recovery(backup, drill, *_judge(stack, snapshot, backup, drill, now))


def _judge(
    stack: Stack, snapshot: Snapshot, backup: BackupStatus | None, drill: DrillStatus | None, now: datetime
) -> tuple[Truth, str, str]:
    settings = stack.spec.backup
    if settings is None:
        return "Unknown", "NoBackup", "the stack makes no backups; spec.backup would"
    if refused := job_notes(snapshot, BACKUP) or job_notes(snapshot, DRILL):
        return "False", "FailedCreate", refused
    since = awake_since(stack.status, (backup.last_success_at if backup else None) or stack.created_at)
    hours = overdue_hours(settings.schedule)
    due = bool(since) and not settings.suspend and not stack.spec.hibernated
    late = due and now - datetime.fromisoformat(since) > timedelta(hours=hours)
    found: tuple[Truth, str, str]
    if backup and not backup.succeeded:
        found = ("False", "BackupFailed", backup.message or "the last backup failed")
    elif late:
        found = ("False", "BackupOverdue", f"no backup has succeeded for {hours} hours")
    elif backup is None:
        found = ("Unknown", "BackupPending", f"the first backup is due: {settings.schedule} {settings.time_zone}")
    else:
        found = _judge_drill(settings.drill, drill, backup)
    return found


def _judge_drill(settings: Drill | None, drill: DrillStatus | None, backup: BackupStatus) -> tuple[Truth, str, str]:
    if drill is None or settings is None:
        return "Unknown", "NotRehearsed", f"backup {backup.backup} was never restored; spec.backup.drill tries it"
    if not drill.succeeded:
        return "False", "DrillFailed", drill.message or "the last restore drill failed"
    if drill.recovery_time_seconds > settings.max_recovery_minutes * 60:
        return "False", "RecoveryTooSlow", f"restoring {drill.backup} took {drill.recovery_time_seconds} seconds"
    lost = f"{drill.recovery_point_seconds} seconds of work would have been lost"
    return "True", "Rehearsed", f"{drill.backup} was restored in {drill.recovery_time_seconds} seconds; {lost}"


def _ends_of(snapshot: Snapshot, component: str) -> Iterable[_End]:
    for job in snapshot.jobs:
        finished_at = job_finished_at(job)
        if component_of(job) == component and finished_at:
            pods = pods_of(job, snapshot.pods)
            readiness = job_readiness(job, pods)
            report = next((found for pod in pods if (found := report_in(terminated(pod)))), {})
            yield _End(finished_at, readiness.state is State.READY, report, readiness.message)


def _newest(recorded: Recorded | None, seen: list[Recorded]) -> Recorded | None:
    """Return the last of what ended, with the last success; one that is recorded already may have lost its pod."""
    ends = sorted([*([recorded] if recorded else []), *seen], key=lambda end: (end.finished_at, end.backup or ""))
    if not ends:
        return None
    times = [end.finished_at if end.succeeded else end.last_success_at for end in ends]
    times.append(recorded.last_success_at if recorded else None)
    return ends[-1].model_copy(update={"last_success_at": max(filter(None, times), default=None)})


def _backup(end: _End) -> BackupStatus:
    report = end.report
    return BackupStatus(
        backup=_text(report, "backup"),
        succeeded=end.succeeded,
        finished_at=end.finished_at,
        taken_at=_text(report, "takenAt"),
        bytes=_number(report, "bytes", 2**60),
        files=_number(report, "files"),
        missing=_number(report, "missing"),
        message=None if end.succeeded else _why(end),
    )


def _why(end: _End) -> str:
    if missing := _number(end.report, "missing"):
        return f"{missing} files that the database names are not in storage; the backup holds everything else"
    return (_text(end.report, "error") or end.message or "it failed")[:MESSAGE_LIMIT]


def _text(report: dict[str, Any], name: str) -> str | None:
    value = report.get(name)
    return value[:MESSAGE_LIMIT] if isinstance(value, str) and value else None


def _number(report: dict[str, Any], name: str, most: int = MAX_COUNTED) -> int:
    value = report.get(name)
    return min(max(0, int(value)), most) if isinstance(value, int | float) else 0
