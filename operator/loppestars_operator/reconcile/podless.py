"""Why a Job has no pods: a quota, a policy, a missing PriorityClass. Only the Job's events say so."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from loppestars_operator.kinds import EVENT, Manifest, pods_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.plan.readiness import MESSAGE_LIMIT, job_finished_at

# The Job controller needs a moment; what is not there after it was refused.
GRACE: Final = timedelta(seconds=8)
_COUNTED: Final = frozenset({"active", "succeeded", "failed"})
ASKED_EVERY: Final = timedelta(seconds=10)


class PodlessJobs:
    """Reads the events of Jobs that have no pods, each at most once in ten seconds."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._known: dict[str, tuple[datetime, str]] = {}

    async def read(
        self, jobs: Iterable[Manifest], pods: Iterable[Manifest], now: datetime
    ) -> tuple[dict[str, str], float | None]:
        """Return the refusals by UID of their Job, and when to look again, as a missing pod is not an event."""
        podless = [
            job
            for job in jobs
            if job_finished_at(job) is None
            and not _COUNTED & (job.get("status") or {}).keys()
            and not pods_of(job, pods)
        ]
        refusals: dict[str, str] = {}
        times = []
        for job in podless:
            left = GRACE - (now - datetime.fromisoformat(job["metadata"]["creationTimestamp"]))
            if timedelta(0) < left <= GRACE:
                times.append(left)
            else:
                refusals[job["metadata"]["uid"]] = await self._refusal(job, now)
                times.append(ASKED_EVERY)
        seconds = min(times).total_seconds() + 0.5 if times else None
        return refusals, seconds

    async def _refusal(self, job: Manifest, now: datetime) -> str:
        meta = job["metadata"]
        asked_at, message = self._known.get(meta["uid"], (None, ""))
        if asked_at is not None and now - asked_at < ASKED_EVERY:
            return message
        message = f"the pods of Job {meta['name']} are not created; kubectl describe job {meta['name']} says why"
        selector = f"involvedObject.uid={meta['uid']},reason=FailedCreate"
        try:
            found = await self._kube.get(EVENT.path(meta["namespace"]), {"fieldSelector": selector})
        except KubeError:
            return message
        newest = max(found.get("items") or (), key=lambda event: event.get("lastTimestamp") or "", default=None)
        if newest:
            message = f"the pods of Job {meta['name']} are not created: {newest.get('message', '')}"[:MESSAGE_LIMIT]
        self._known = {uid: known for uid, known in self._known.items() if now - known[0] < 10 * ASKED_EVERY}
        self._known[meta["uid"]] = (now, message)
        return message
