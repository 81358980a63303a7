"""Whether one pod of a new revision is good enough for the rest: every case, and closed where nothing is known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loppestars_operator.kinds import Manifest
from loppestars_operator.plan.canary import Counts, Judgement, Step, Trial, judge_canary, pods_of_revision
from loppestars_operator.spec.rollout import Canary

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
DEADLINE = timedelta(seconds=300)
GOOD = Counts(100, 0)
SETTINGS = Canary(seconds=60, max_error_percent=5)


def pod(*, ready_for: float | None = 61, restarts: int = 0, **metadata: Any) -> Manifest:
    """A pod of the API, Ready for so many seconds, or not at all."""
    ready = {"type": "Ready", "status": "False"}
    if ready_for is not None:
        ready = {
            "type": "Ready",
            "status": "True",
            "lastTransitionTime": (NOW - timedelta(seconds=ready_for)).isoformat(),
        }
    containers = [{"name": "api", "restartCount": restarts}, {"name": "mesh", "restartCount": 3}]
    labels = {"app.kubernetes.io/component": "api"}
    status = {"conditions": [ready], "containerStatuses": containers}
    return {"metadata": {"name": "canary", "labels": labels, **metadata}, "status": status}


def judge(
    *pods: Manifest, counts: Counts | None = GOOD, tried_for: float = 90, settings: Canary = SETTINGS
) -> Judgement:
    since = NOW - timedelta(seconds=tried_for)
    return judge_canary(settings, DEADLINE, since, Trial(pods, {"canary": counts}, NOW))


class TestJudgeCanary:
    def test_passes(self) -> None:
        """Ready for its time, and few errors."""
        assert judge(pod(), counts=Counts(100, 5)).step is Step.PASSED

    def test_is_observed(self) -> None:
        """Before its time is over nothing is decided, and the message does not change with each look."""
        early, later = judge(pod(ready_for=5)), judge(pod(ready_for=55), counts=Counts(300, 2))
        assert early.step is Step.OBSERVED
        assert early == later

    def test_errors(self) -> None:
        """Too many errors; with enough answers before its time is over."""
        assert judge(pod(), counts=Counts(100, 6)).step is Step.FAILED
        assert judge(pod(ready_for=3), counts=Counts(20, 2)).step is Step.FAILED
        assert judge(pod(ready_for=3), counts=Counts(19, 2)).step is Step.OBSERVED
        assert "failed 6 of 100" in judge(pod(), counts=Counts(100, 6)).message

    def test_restart(self) -> None:
        """One is enough; a sidecar's does not count."""
        assert judge(pod(restarts=1)).step is Step.FAILED

    @pytest.mark.parametrize(("tried_for", "step"), [(299, Step.STARTING), (301, Step.FAILED)])
    def test_never_ready(self, tried_for: float, step: Step) -> None:
        """Within the deadline of a rollout it may start; after it, it failed. Likewise without a pod."""
        assert judge(pod(ready_for=None), tried_for=tried_for).step is step
        assert judge(tried_for=tried_for).step is step

    def test_unread(self) -> None:
        """What cannot be read is waited for, and does not pass."""
        assert judge(pod(ready_for=100), counts=None).step is Step.OBSERVED
        assert judge(pod(ready_for=121), counts=None).step is Step.FAILED

    def test_flapping(self) -> None:
        """A pod that comes and goes is not observed without end."""
        assert judge(pod(ready_for=5), tried_for=500, counts=None).step is Step.FAILED

    def test_few_requests(self) -> None:
        """Where so many are asked for, fewer are waited for, then it goes back."""
        settings = SETTINGS.model_copy(update={"min_requests": 50})
        assert judge(pod(), counts=Counts(49, 0), settings=settings).step is Step.OBSERVED
        assert judge(pod(), counts=Counts(50, 0), settings=settings).step is Step.PASSED
        assert judge(pod(ready_for=121), counts=Counts(49, 0), settings=settings).step is Step.FAILED

    def test_no_requests(self) -> None:
        """A stack that no one asks anything is judged by readiness and restarts."""
        assert judge(pod(), counts=Counts(0, 0)).step is Step.PASSED


class TestPodsOfRevision:
    def test_oldest_of_that_template(self) -> None:
        """Others' and those that are going are left out."""
        mine = {"annotations": {"loppestars.dev/revision": "b"}}
        pods = [
            pod(**mine, creationTimestamp="2026-01-01T02:00:00Z"),
            pod(**mine, creationTimestamp="2026-01-01T01:00:00Z"),
            pod(**mine, deletionTimestamp="2026-01-01T01:00:00Z"),
            pod(annotations={"loppestars.dev/revision": "a"}),
            pod(),
        ]
        assert pods_of_revision(pods, "b") == [pods[1], pods[0]]
