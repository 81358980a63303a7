"""A stack's sleep: what still has to end, and how many pods to wake with. Pure."""

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import AWAKE_ANNOTATION
from loppestars_operator.plan.readiness import job_finished_at
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.spec import StackStatus


def awake_count(deployment: Manifest) -> int:
    """Return how many pods a Deployment has, or had before it was hibernated; 0 where that is not known."""
    remembered = (deployment["metadata"].get("annotations") or {}).get(AWAKE_ANNOTATION, "")
    count: int = deployment["spec"].get("replicas", 1)
    return int(remembered) if remembered.isascii() and remembered.isdigit() else count


def awake_counts(snapshot: Snapshot) -> dict[str, int]:
    """Return by component how many pods to wake with."""
    counts = {component: awake_count(deployment) for component, deployment in snapshot.deployments.items()}
    return {component: count for component, count in counts.items() if count}


def remaining(snapshot: Snapshot) -> list[str]:
    """Return the names of the Jobs and pods that have not ended. Work under way is finished, not cut off."""
    jobs = [job for job in snapshot.jobs if job_finished_at(job) is None]
    pods = [pod for pod in snapshot.pods if (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}]
    return sorted({found["metadata"]["name"] for found in jobs or pods})


def awake_since(status: StackStatus, moment: str) -> str:
    """Return a moment, or the later one at which the stack woke: nothing is overdue because of its sleep."""
    slept = status.condition("Hibernated")
    return max(moment, slept.last_transition_time) if slept else moment
