"""Whether one pod of a new revision is good enough for the rest to follow. Pure: pods, counts and the time come in.

It fails closed: what cannot be seen is not good, and what is not good in time goes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from loppestars_operator.kinds import Manifest, component_of, condition_of
from loppestars_operator.naming import CANARY_ANNOTATION
from loppestars_operator.plan.readiness import first_problem
from loppestars_operator.spec.rollout import Canary

# With fewer answers one bad one says little; the whole time is waited for.
MIN_EARLY: Final = 20
# Beyond the time of observation: for counts that cannot be read, or requests that do not come.
PATIENCE: Final = timedelta(seconds=60)
LOOK_SECONDS: Final = 2.0


class Step(Enum):
    """How far a canary is."""

    STARTING = "Starting"
    OBSERVED = "Observed"
    PASSED = "Passed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests that a pod answered since it started, and those of them that it failed."""

    requests: int
    errors: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What is seen of the pods of the desired revision: which there are, what they answered, and when."""

    pods: Sequence[Manifest]
    counts: Mapping[str, Counts | None]
    now: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """A step and why. The message holds still while the step does, so that a status is written once per step."""

    step: Step
    message: str


def pods_of_revision(pods: Sequence[Manifest], template: str) -> list[Manifest]:
    """Return the pods that were made from a pod template, the oldest first; those that are going are not among them."""
    found = [
        pod
        for pod in pods
        if (pod["metadata"].get("annotations") or {}).get(CANARY_ANNOTATION) == template
        and "deletionTimestamp" not in pod["metadata"]
    ]
    return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))


def own_containers(pod: Manifest) -> list[Manifest]:
    """Return the states of the containers of the component itself; a sidecar's restarts are not its fault."""
    statuses: list[Manifest] = (pod.get("status") or {}).get("containerStatuses") or []
    component = component_of(pod)
    return [status for status in statuses if status["name"] == component]


def judge_canary(  # noqa: PLR0911 - one return per case
    settings: Canary,
    deadline: timedelta,
    since: datetime,
    trial: Trial,
) -> Judgement:
    """Judge the oldest pod of the new revision.

    Args:
        settings: what the spec asks for.
        deadline: within which it has to be Ready.
        since: when the revision was first tried.
        trial: what is seen of its pods; counts are missing or None where they could not be read.
    """
    pods, counts, now = trial.pods, trial.counts, trial.now
    unready = Step.FAILED if now - since > deadline else Step.STARTING
    if not pods:
        return Judgement(unready, "its pod is not created")
    name, problem = pods[0]["metadata"]["name"], first_problem(pods)
    why = f"; {problem.reason}: {problem.message}" if problem else ""
    if any(container.get("restartCount") for container in own_containers(pods[0])):
        return Judgement(Step.FAILED, f"pod {name} was restarted{why}")
    ready, observed = condition_of(pods[0], "Ready"), timedelta(seconds=settings.seconds)
    if ready.get("status") != "True":
        return Judgement(unready, f"pod {name} is not ready{why}")
    age = now - datetime.fromisoformat(ready["lastTransitionTime"])
    waiting = Judgement(Step.OBSERVED, f"pod {name} serves and is judged after {settings.seconds} s")
    # A pod that comes and goes is observed from the start each time, within the whole of its time.
    late = age > observed + PATIENCE or now - since > deadline + observed + PATIENCE
    found = counts.get(name)
    if found is None:
        return Judgement(Step.FAILED, f"what pod {name} answered could not be read") if late else waiting
    allowed = found.requests * settings.max_error_percent
    told = f"pod {name} failed {found.errors} of {found.requests} requests, {settings.max_error_percent} % may fail"
    if found.errors * 100 > allowed and (found.requests >= MIN_EARLY or age >= observed):
        return Judgement(Step.FAILED, told)
    if age < observed:
        return waiting
    if found.requests < settings.min_requests:
        few = f"pod {name} was asked {found.requests} times, {settings.min_requests} are needed to judge it"
        return Judgement(Step.FAILED, few) if late else waiting
    return Judgement(Step.PASSED, told)
