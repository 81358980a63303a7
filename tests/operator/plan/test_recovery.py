"""Whether what is lost could be had back, by what the backups and drills left behind."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from loppestars_operator.plan.recovery import Recovery, judge_recovery
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.spec.state import BackupStatus
from tests.factories.stacks import make_stack

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BACKUP = {"s3": {"bucket": "backups"}, "drill": {"scratchSecretRef": {"name": "scratch"}}}
MADE = {"backup": "b1", "takenAt": "2026-01-01T02:00:01Z", "bytes": 5_000_000_000, "files": 410}
TRIED = {"backup": "b1", "recoveryTimeSeconds": 42.4, "recoveryPointSeconds": 7200}


def job(component: str, at: str, report: dict[str, Any] | None, *, failed: bool = False) -> tuple[Any, Any]:
    """A Job that ended, and its pod; without a report its pod is gone."""
    uid = f"{component}-{at}"
    labels = {"app.kubernetes.io/component": component}
    condition = {"type": "Failed" if failed else "Complete", "status": "True", "lastTransitionTime": at}
    body = {"metadata": {"uid": uid, "labels": labels}, "status": {"conditions": [condition]}}
    ended = {"exitCode": int(failed), "message": json.dumps(report), "finishedAt": at}
    pod = {
        "metadata": {"labels": labels, "ownerReferences": [{"uid": uid}]},
        "status": {"containerStatuses": [{"name": component, "state": {"terminated": ended}}]},
    }
    return body, [pod] if report is not None else []


def judge(*ends: tuple[Any, Any], **changes: Any) -> Recovery:
    pods = [pod for _, found in ends for pod in found]
    snapshot = Snapshot({}, {}, {"Job": [body for body, _ in ends], "Pod": pods})
    return judge_recovery(make_stack(**({"backup": BACKUP} | changes)), snapshot, NOW)


GOOD = job("backup", "2026-01-01T02:00:10Z", MADE)
DRILLED = job("drill", "2026-01-01T04:00:00Z", TRIED)


class TestCondition:
    @pytest.mark.parametrize(
        ("ends", "changes", "expected"),
        [
            ([], {"backup": None}, ("Unknown", "NoBackup")),
            ([], {}, ("Unknown", "BackupPending")),
            ([GOOD], {}, ("Unknown", "NotRehearsed")),
            ([GOOD, DRILLED], {}, ("True", "Rehearsed")),
            ([GOOD, DRILLED], {"backup": BACKUP | {"schedule": "0 * * * *"}}, ("False", "BackupOverdue")),
            (
                [GOOD, DRILLED],
                {"backup": BACKUP | {"schedule": "0 * * * *", "suspend": True}},
                ("True", "Rehearsed"),
            ),
            (
                [GOOD, DRILLED, job("backup", "2026-01-01T03:00:00Z", {"error": "no route"}, failed=True)],
                {},
                ("False", "BackupFailed"),
            ),
            ([GOOD, job("drill", "2026-01-01T04:00:00Z", {"error": "x"}, failed=True)], {}, ("False", "DrillFailed")),
            (
                [GOOD, job("drill", "2026-01-01T04:00:00Z", TRIED | {"recoveryTimeSeconds": 3601})],
                {},
                ("False", "RecoveryTooSlow"),
            ),
        ],
    )
    def test_table(self, ends: list[tuple[Any, Any]], changes: dict[str, Any], expected: tuple[str, str]) -> None:
        """True only where a restore was tried and went well in time."""
        found = judge(*ends, **changes)
        assert (found.recoverable, found.reason) == expected

    def test_words(self) -> None:
        """Both times stand in the message, the cause of a failure too."""
        assert judge(GOOD, DRILLED).message.startswith("b1 was restored in 42 seconds; 7200 seconds of work")
        lost = job("backup", "2026-01-01T03:00:00Z", MADE | {"missing": 2}, failed=True)
        assert "2 files that the database names are not in storage" in judge(GOOD, lost).message
        killed = job("backup", "2026-01-01T03:00:00Z", None, failed=True)
        assert judge(GOOD, killed).message == "the Job failed"


class TestRecord:
    def test_size(self) -> None:
        """More than an int32 of bytes."""
        backup = judge(GOOD).backup
        assert backup
        assert (backup.bytes, backup.files, backup.taken_at) == (5_000_000_000, 410, MADE["takenAt"])

    def test_kept(self) -> None:
        """When the Job or only its pod is gone, and the last success when a later one failed."""
        recorded = judge(GOOD).backup
        assert recorded
        status = {"backup": recorded.to_json()}
        assert judge(status=status).backup == recorded
        assert judge((GOOD[0], []), status=status).backup == recorded
        failed = judge(job("backup", "2026-01-01T03:00:00Z", None, failed=True), status=status).backup
        assert failed
        assert (failed.succeeded, failed.last_success_at) == (False, recorded.finished_at)

    def test_before_a_migration(self) -> None:
        """It counts as a backup like another."""
        ended = {"exitCode": 0, "finishedAt": "2026-01-01T11:00:00Z", "message": json.dumps(MADE | {"backup": "b2"})}
        pod = {
            "metadata": {"labels": {"app.kubernetes.io/component": "migrate"}},
            "status": {"initContainerStatuses": [{"name": "backup", "state": {"terminated": ended}}]},
        }
        found = judge(GOOD, ({"metadata": {"uid": "m", "labels": {}}}, [pod]))
        assert isinstance(found.backup, BackupStatus)
        assert found.backup.backup == "b2"
