"""One observed object → ready, waiting or failed, with a reason: the rules of kstatus, told in pods' own words."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from loppestars_operator.kinds import Manifest, component_of, condition_of

# Why a container does not start; each heals by itself once somebody outside mends the cause.
CONFIGURATION_REASONS: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RunContainerError",
        "Unschedulable",
        "FailedCreate",
    }
)
MESSAGE_LIMIT: Final = 1000
UNOBSERVED: Final = "Unobserved"


class State(Enum):
    """Outcome; the order is that of worse."""

    READY = 0
    WAITING = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Readiness:
    """State of one object, the reason as one word, and a sentence."""

    state: State
    reason: str
    message: str

    @property
    def ready(self) -> bool:
        """Whether it does what it is for."""
        return self.state is State.READY


@dataclass(frozen=True, slots=True)
class Replicas:
    """Pods of a Deployment: wanted, ready, available, and of the newest template."""

    desired: int
    ready: int
    available: int
    updated: int


def deployment_readiness(deployment: Manifest, pods: Iterable[Manifest]) -> Readiness:
    """Judge a Deployment.

    It is ready once the rollout of its current template is complete and a pod is available; that an autoscaler has
    just asked for one more pod does not make a serving component unready.
    """
    status = deployment.get("status") or {}
    counts = replicas_of(deployment)
    progressing, failure = condition_of(deployment, "Progressing"), condition_of(deployment, "ReplicaFailure")
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Readiness(State.WAITING, UNOBSERVED, "the change is being taken up")
    problem = first_problem(pods)
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Readiness(State.FAILED, "ProgressDeadlineExceeded", _explain(_so_many(counts), problem))
    if failure.get("status") == "True":
        reason, words = failure.get("reason") or "FailedCreate", failure.get("message") or ""
        return Readiness(State.WAITING, reason, words[:MESSAGE_LIMIT])
    complete = progressing.get("reason") == "NewReplicaSetAvailable" and counts.updated >= 1
    if complete and counts.available >= 1 and status.get("replicas", 0) <= counts.updated:
        return Readiness(State.READY, "Available", _so_many(counts))
    return Readiness(State.WAITING, problem.reason if problem else "Progressing", _explain(_so_many(counts), problem))


def replicas_of(deployment: Manifest) -> Replicas:
    """Return how many pods a Deployment wants and has."""
    status = deployment.get("status") or {}
    return Replicas(
        desired=deployment["spec"].get("replicas", 1),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        updated=status.get("updatedReplicas", 0),
    )


def image_of(deployment: Manifest, component: str) -> str:
    """Return the image of the component's own container; injected ones may stand before it."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    own: Manifest = next((container for container in containers if container["name"] == component), containers[0])
    image: str = own["image"]
    return image


def job_readiness(job: Manifest, pods: Iterable[Manifest], refusal: str | None = None) -> Readiness:
    """Judge a Job; of a failed one, the message is what its last pod left behind.

    `refusal` is why its pods are not created.
    """
    pods = list(pods)
    if condition_of(job, "Complete").get("status") == "True":
        return Readiness(State.READY, "Complete", termination_message(pods))
    failed = condition_of(job, "Failed")
    if failed.get("status") == "True":
        cause = termination_message(pods) or refusal or failed.get("message", "the Job failed")
        return Readiness(State.FAILED, failed.get("reason", "Failed"), cause)
    problem = first_problem(pods)
    if problem:
        return Readiness(State.WAITING, problem.reason, problem.message)
    if refusal:
        return Readiness(State.WAITING, "FailedCreate", refusal)
    return Readiness(State.WAITING, "Running", "the Job runs")


def job_finished_at(job: Manifest) -> str | None:
    """Return when a Job ended, or None while it runs."""
    status = job.get("status") or {}
    for kind in ("Complete", "Failed"):
        condition = condition_of(job, kind)
        if condition.get("status") == "True":
            return status.get("completionTime") or condition.get("lastTransitionTime")
    return None


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Why a pod does not run."""

    reason: str
    message: str


def first_problem(pods: Iterable[Manifest]) -> PodProblem | None:
    """Return the problem of the newest pod that has one."""
    newest_first = sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    problems = (pod_problem(pod) for pod in newest_first if "deletionTimestamp" not in pod["metadata"])
    return next((problem for problem in problems if problem), None)


def pod_problem(pod: Manifest) -> PodProblem | None:
    """Return why a pod does not start or keeps ending, in the kubelet's or the process's words."""
    status = pod.get("status") or {}
    # Init containers are others': a mesh's, or a policy's. The pod waits for them all the same.
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason == "CrashLoopBackOff":
            ended = (container.get("lastState") or {}).get("terminated") or {}
            code = f"the container ended with code {ended['exitCode']}" if "exitCode" in ended else "it keeps ending"
            words = _last_words(ended.get("message")) or code
            return PodProblem("CrashLoopBackOff", words)
        if reason in CONFIGURATION_REASONS:
            return PodProblem(reason, (waiting.get("message") or reason)[:MESSAGE_LIMIT])
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        words = scheduled.get("message") or "no node has room for the pod"
        return PodProblem("Unschedulable", words[:MESSAGE_LIMIT])
    return None


def terminated(pod: Manifest) -> dict[str, Any] | None:
    """Return how the component's own container ended, or None while it runs; containers bear their component's name."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    component = component_of(pod)
    own: dict[str, Any] = next((status for status in statuses if status["name"] == component), next(iter(statuses), {}))
    return (own.get("state") or {}).get("terminated")


def ended_init(pod: Manifest, name: str | None = None) -> dict[str, Any] | None:
    """Return how an init container ended: that of a name, or the one that failed."""
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        end: dict[str, Any] | None = (status.get("state") or {}).get("terminated")
        if end and (status["name"] == name if name else end.get("exitCode")):
            return end
    return None


def termination_message(pods: Iterable[Manifest]) -> str:
    """Return the last words of the pod that ended last: of an init container where its own never began.

    A sidecar that is an init container ends after its own one, mostly by a signal.
    """
    ends = [end for pod in pods if (end := terminated(pod) or ended_init(pod))]
    last = max(ends, key=lambda end: end.get("finishedAt") or "", default=None)
    return _last_words(last.get("message")) if last else ""


def termination_report(pods: Iterable[Manifest]) -> dict[str, Any]:
    """Return the JSON object that the pod left as its termination message; empty where it left none."""
    return next((report for pod in pods if (report := report_in(terminated(pod)))), {})


def report_in(end: dict[str, Any] | None) -> dict[str, Any]:
    """Return the JSON object that a container left at its end; empty where it left none."""
    try:
        report = json.loads((end or {}).get("message") or "")
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _last_words(message: str | None) -> str:
    """Return the end of a message: where a log fell in for it, the cause stands last."""
    return (message or "").strip()[-MESSAGE_LIMIT:]


def _so_many(counts: Replicas) -> str:
    return f"{counts.ready} of {counts.desired} pods ready"


def _explain(text: str, problem: PodProblem | None) -> str:
    return f"{text}; {problem.reason}: {problem.message}" if problem else text
