"""What keeps a stack from being Ready: the worst of all that was found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loppestars_operator.plan.readiness import State
from loppestars_operator.plan.recovery import Recovery
from loppestars_operator.plan.rollout import SERVING_COMPONENTS, Gate, Plan, Workload
from loppestars_operator.plan.routing import Routing
from loppestars_operator.problems import Problem
from loppestars_operator.spec import Crawl


@dataclass(frozen=True, slots=True)
class Verdict:
    """What keeps a stack from being Ready. `stalled` waits for a person, the rest for time."""

    reason: str
    message: str
    stalled: bool


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """Everything a status is made of, besides the stack and the plan."""

    workloads: Mapping[str, Workload]
    problems: Sequence[Problem] = ()
    crawls: Sequence[Crawl] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    routing: Routing | None = None
    recovery: Recovery | None = None
    operator: str | None = None
    remaining: Sequence[str] = ()
    """Pods and Jobs that a hibernated stack waits for."""


def find_verdict(plan: Plan, inputs: StatusInputs) -> Verdict | None:
    """Return the worst of what is wrong, or None: what waits for a person before what waits for time."""
    if is_asleep(plan):
        ending = Verdict("Hibernating", f"waits for {', '.join(inputs.remaining)} to end", stalled=False)
        problems = [Verdict(problem.reason, problem.message, not problem.transient) for problem in inputs.problems]
        found = [*problems, *([ending] if inputs.remaining else [])]
        return next(iter(sorted(found, key=lambda verdict: not verdict.stalled)), None)
    verdicts = [
        *(Verdict(problem.reason, problem.message, not problem.transient) for problem in inputs.problems),
        *_of_rollout(plan),
        *(_of_workload(name, inputs.workloads.get(name)) for name in (SERVING_COMPONENTS if plan.revision else ())),
    ]
    if inputs.routing and inputs.routing.refused:
        verdicts.append(Verdict(inputs.routing.reason, inputs.routing.message, stalled=True))
    if is_taking_up(plan):
        verdicts.append(Verdict("Progressing", "the version is being taken up", stalled=False))
    found = [verdict for verdict in verdicts if verdict]
    return next(iter(sorted(found, key=lambda verdict: not verdict.stalled)), None)


def _of_rollout(plan: Plan) -> Iterable[Verdict]:
    passage = plan.passage
    match plan.gate:
        case Gate.REFUSED:
            yield Verdict("VersionTooOld", passage.message, stalled=True)
        case Gate.FAILED:
            yield Verdict("MigrationFailed", f"the database migration failed: {passage.message}", stalled=True)
        case Gate.MIGRATING:
            yield Verdict(passage.reason or "Migrating", f"database migration: {passage.message}", stalled=False)
        case Gate.OPEN:
            pass
    if plan.canary:
        yield Verdict("Canary", plan.canary.message, stalled=False)
    if plan.rolled_back:
        message = (
            f"{plan.rolled_back}; version {plan.rollout.version} serves on with its configuration. Set another version "
            "or configuration, or annotate the stack with loppestars.dev/retry=<any new value> to try again"
        )
        yield Verdict("RolledBack", message, stalled=True)


def _of_workload(name: str, workload: Workload | None) -> Verdict | None:
    if workload is None:
        return Verdict("Progressing", f"{name} is being deployed", stalled=False)
    if workload.readiness.ready:
        return None
    failed = workload.readiness.state is State.FAILED
    return Verdict(workload.readiness.reason, f"{name}: {workload.readiness.message}", stalled=failed)


def is_asleep(plan: Plan) -> bool:
    """Return whether the stack is hibernated; one that is paused too stays as it is."""
    return plan.desired.spec.hibernated and not plan.desired.spec.paused


def is_taking_up(plan: Plan) -> bool:
    """Return whether the next pass records that the desired revision serves: it was not Ready when planned."""
    served = plan.rollout.serving == plan.desired.images and plan.rollout.served == plan.desired.spec.to_stored()
    return plan.revision == plan.desired and not served
