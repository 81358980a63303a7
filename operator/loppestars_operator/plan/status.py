"""All readiness → conditions, phase and counts; the worst wins. Pure: the clock is handed in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from loppestars_operator.plan.readiness import State
from loppestars_operator.plan.rollout import SERVING_COMPONENTS, Gate, Plan, Workload
from loppestars_operator.plan.routing import Routing
from loppestars_operator.problems import Problem
from loppestars_operator.rendering.context import CRAWLER, serving_url
from loppestars_operator.spec import Crawl, Stack, StackStatus
from loppestars_operator.spec.state import (
    ComponentStatus,
    Condition,
    HistoryEntry,
    LastCrawl,
    Phase,
    RolloutStatus,
)

HISTORY_LENGTH: Final = 10
MESSAGE_LIMIT: Final = 2000
Truth = Literal["True", "False", "Unknown"]


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
    operator: str | None = None


def summarise(stack: Stack, plan: Plan, inputs: StatusInputs, now: str) -> StackStatus:
    """Return the status that the stack should have; times of conditions that hold on are kept."""
    if stack.spec.paused and plan.passage.create:
        message = "waits, as the stack is paused; set spec.paused to false to go on"
        plan = replace(plan, passage=replace(plan.passage, reason="Paused", message=message))
    verdict = find_verdict(plan, inputs)
    conditions = [
        _ready(stack, verdict, plan),
        _reconciling(stack, verdict),
        _stalled(stack, verdict),
        _migrated(plan),
        *(_available(f"{component.title()}Available", component, inputs) for component in SERVING_COMPONENTS),
        _scheduled(stack, plan, inputs),
        *([_routed(inputs.routing)] if inputs.routing else []),
    ]
    return StackStatus(
        observed_generation=stack.generation,
        version=plan.rollout.version,
        url=serving_url(stack.spec),
        phase=_phase(stack, plan, verdict),
        conditions=[_dated(stack, condition, now) for condition in conditions],
        components=_components(inputs.workloads) or None,
        last_crawl=_last_crawl(inputs.crawls, stack.status.last_crawl),
        last_successful_crawl_at=_last_success(inputs.crawls, stack.status.last_successful_crawl_at),
        history=_history(stack, plan, now) or None,
        operator=inputs.operator,
        migration=plan.passage.migration,
        rollout=plan.rollout,
    )


def unusable_status(stack: Stack, reason: str, message: str, now: str) -> StackStatus:
    """Return the status of a resource on which no pass can be made; what is known of its parts is kept."""
    verdict = Verdict(reason, message, stalled=True)
    conditions = [
        _Claim("Ready", "False", verdict.reason, message),
        _reconciling(stack, verdict),
        _stalled(stack, verdict),
    ]
    told = [_dated(stack, condition, now) for condition in conditions]
    kept = [
        condition
        for condition in stack.status.conditions or ()
        if condition.type not in {claim.type for claim in conditions}
    ]
    return stack.status.model_copy(
        update={"observed_generation": stack.generation, "phase": "Stalled", "conditions": [*told, *kept]}
    )


def find_verdict(plan: Plan, inputs: StatusInputs) -> Verdict | None:
    """Return the worst of what is wrong, or None: what waits for a person before what waits for time."""
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


def is_taking_up(plan: Plan) -> bool:
    """Return whether the next pass records that the desired revision serves: it was not Ready when planned."""
    served = plan.rollout.serving == plan.desired.images and plan.rollout.served == plan.desired.spec.to_stored()
    return plan.revision == plan.desired and not served


@dataclass(frozen=True, slots=True)
class _Claim:
    """A condition without its bookkeeping."""

    type: str
    status: Truth
    reason: str
    message: str


def _ready(stack: Stack, verdict: Verdict | None, plan: Plan) -> _Claim:
    if verdict:
        return _Claim("Ready", "False", verdict.reason, verdict.message)
    if plan.revision is None:
        return _Claim("Ready", "False", "Pending", "nothing serves yet")
    paused = "; the stack is paused" if stack.spec.paused else ""
    return _Claim("Ready", "True", "Ready", f"version {plan.rollout.version} serves{paused}")


def _reconciling(stack: Stack, verdict: Verdict | None) -> _Claim:
    if stack.spec.paused:
        return _Claim(
            "Reconciling", "False", "Paused", "the stack is not reconciled; set spec.paused to false to go on"
        )
    if verdict and not verdict.stalled:
        return _Claim("Reconciling", "True", verdict.reason, verdict.message)
    return _Claim("Reconciling", "False", verdict.reason if verdict else "Ready", "")


def _stalled(stack: Stack, verdict: Verdict | None) -> _Claim:
    if verdict and verdict.stalled and not stack.spec.paused:
        return _Claim("Stalled", "True", verdict.reason, verdict.message)
    return _Claim("Stalled", "False", "Progressing" if verdict else "Ready", "")


def _migrated(plan: Plan) -> _Claim:
    name = "DatabaseMigrated"
    match plan.gate:
        case Gate.OPEN:
            return _Claim(name, "True", "Migrated", "")
        case Gate.FAILED:
            return _Claim(name, "False", "MigrationFailed", plan.passage.message)
        case Gate.REFUSED:
            return _Claim(name, "False", "VersionTooOld", plan.passage.message)
        case Gate.MIGRATING:
            return _Claim(name, "False", plan.passage.reason or "Migrating", plan.passage.message)


def _available(kind: str, component: str, inputs: StatusInputs) -> _Claim:
    workload = inputs.workloads.get(component)
    if workload is None:
        return _Claim(kind, "False", "NotDeployed", f"{component} is not deployed yet")
    note = inputs.notes.get(component, "")
    message = workload.readiness.message + (f"; {note}" if note else "")
    if workload.replicas.available >= 1:
        return _Claim(kind, "True", "Available", message)
    return _Claim(kind, "False", workload.readiness.reason, message)


def _routed(routing: Routing) -> _Claim:
    truths: dict[bool | None, Truth] = {True: "True", False: "False", None: "Unknown"}
    return _Claim("Routed", truths[routing.routed], routing.reason, routing.message)


def _scheduled(stack: Stack, plan: Plan, inputs: StatusInputs) -> _Claim:
    name, crawler = "CrawlerScheduled", stack.spec.crawler
    problem = next((problem for problem in inputs.problems if problem.component == CRAWLER), None)
    if problem:
        return _Claim(name, "False", problem.reason, problem.message)
    if plan.revision is None:
        return _Claim(name, "False", "NotDeployed", "the crawler waits for the migration of the database")
    if crawler.suspend:
        return _Claim(name, "False", "Suspended", "set spec.crawler.suspend to false to crawl by schedule")
    return _Claim(name, "True", "Scheduled", f"{crawler.schedule} {crawler.time_zone}")


def _dated(stack: Stack, claim: _Claim, now: str) -> Condition:
    before = stack.status.condition(claim.type)
    since = before.last_transition_time if before and before.status == claim.status else now
    return Condition(
        type=claim.type,
        status=claim.status,
        reason=claim.reason,
        message=claim.message[:MESSAGE_LIMIT],
        observed_generation=stack.generation,
        last_transition_time=since,
    )


def _phase(stack: Stack, plan: Plan, verdict: Verdict | None) -> Phase:
    if stack.spec.paused:
        return "Paused"
    if plan.rolled_back:
        return "RolledBack"
    if verdict and verdict.stalled:
        return "Stalled"
    if plan.gate is Gate.MIGRATING:
        return "Migrating"
    if verdict is None:
        return "Ready" if plan.revision else "Pending"
    return "Deploying" if is_taking_up(plan) else "Degraded"


def _components(workloads: Mapping[str, Workload]) -> list[ComponentStatus]:
    return [
        ComponentStatus(
            name=name,
            image=workload.image,
            desired=workload.replicas.desired,
            ready=workload.replicas.ready,
            updated=workload.replicas.updated,
        )
        for name, workload in sorted(workloads.items())
    ]


def _last_crawl(crawls: Iterable[Crawl], recorded: LastCrawl | None) -> LastCrawl | None:
    """Return the newer of what is recorded and what is there: Crawls are pruned, and not all known after a start."""
    finished = [crawl for crawl in crawls if crawl.finished and crawl.status.finished_at]
    last = max(finished, key=lambda crawl: crawl.status.finished_at or "", default=None)
    if last is None or last.status.state is None:
        return recorded
    if recorded and (recorded.finished_at or "") > (last.status.finished_at or ""):
        return recorded
    counts = last.status.counts
    return LastCrawl(
        name=last.name,
        state=last.status.state,
        finished_at=last.status.finished_at,
        seen=counts.seen if counts else 0,
        new=counts.new if counts else 0,
        failed=counts.failed if counts else 0,
    )


def _last_success(crawls: Iterable[Crawl], recorded: str | None) -> str | None:
    """Return when a crawl last succeeded: remembered apart from Crawls, of which a history limit may keep none.

    A dry run counts for nothing: the markets are as old as before.
    """
    real = [crawl.status for crawl in crawls if crawl.status.state == "Succeeded" and not crawl.spec.dry_run]
    ends = [status.finished_at for status in real if status.finished_at]
    return max([*ends, *([recorded] if recorded else [])], default=None)


def _history(stack: Stack, plan: Plan, now: str) -> list[HistoryEntry]:
    """Return the history, newest first, with what this pass adds to it."""
    before, after = stack.status.rollout or RolloutStatus(), plan.rollout
    entries = list(stack.status.history or ())
    if after.serving != before.serving and after.version:
        entries = [
            entry.model_copy(update={"result": "Replaced"}) if entry.result == "Serving" else entry for entry in entries
        ]
        entries.insert(0, HistoryEntry(version=after.version, served_from=now, result="Serving"))
    if after.refused is not None and after.refused != before.refused:
        entries.insert(0, HistoryEntry(version=stack.spec.version, served_from=now, result="RolledBack"))
    return entries[:HISTORY_LENGTH]
