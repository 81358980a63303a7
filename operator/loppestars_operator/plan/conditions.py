"""The conditions of a stack, each from what the pass decided and saw."""

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from loppestars_operator.plan.rollout import SERVING_COMPONENTS, Gate, Plan
from loppestars_operator.plan.verdict import StatusInputs, Verdict, is_asleep
from loppestars_operator.rendering.context import API, CRAWLER, IMAGING, JOBS, MIGRATE
from loppestars_operator.spec import Stack

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A condition without its bookkeeping."""

    type: str
    status: Truth
    reason: str
    message: str


PAUSED: Final = Claim(
    "Reconciling", "False", "Paused", "the stack is not reconciled; set spec.paused to false to go on"
)

ASLEEP: Final = "no pods; data and routes are kept. Set spec.hibernated to false to serve again"


def claims(stack: Stack, plan: Plan, verdict: Verdict | None, inputs: StatusInputs) -> list[Claim]:
    """Return all conditions that a pass can judge."""
    truths: dict[bool | None, Truth] = {True: "True", False: "False", None: "Unknown"}
    routing, passage = inputs.routing, plan.passage
    gates = {
        Gate.OPEN: ("Migrated", ""),
        Gate.FAILED: ("MigrationFailed", passage.message),
        Gate.REFUSED: ("VersionTooOld", passage.message),
        Gate.MIGRATING: (passage.reason or "Migrating", passage.message),
    }
    return [
        *(claims_of_verdict(stack, verdict) if verdict else _claims_without_verdict(stack, plan)),
        Claim("DatabaseMigrated", "True" if plan.gate is Gate.OPEN else "False", *gates[plan.gate]),
        *(_available(f"{component.title()}Available", component, plan, inputs) for component in SERVING_COMPONENTS),
        _scheduled(stack, plan, inputs),
        *([Claim("Routed", truths[routing.routed], routing.reason, routing.message)] if routing else []),
        _separated(stack),
        *([Claim("Recoverable", found.recoverable, found.reason, found.message)] if (found := inputs.recovery) else []),
        *_hibernated(stack, plan, verdict),
    ]


def claims_of_verdict(stack: Stack, verdict: Verdict) -> list[Claim]:
    """Return the three conditions of kstatus for a stack that is not Ready."""
    stalled = verdict.stalled and not stack.spec.paused
    under_way = Claim("Reconciling", "False", verdict.reason, "")
    if stack.spec.paused:
        under_way = PAUSED
    elif not verdict.stalled:
        under_way = Claim("Reconciling", "True", verdict.reason, verdict.message)
    return [
        Claim("Ready", "False", verdict.reason, verdict.message),
        under_way,
        Claim("Stalled", "True", verdict.reason, verdict.message)
        if stalled
        else Claim("Stalled", "False", "Progressing", ""),
    ]


def _claims_without_verdict(stack: Stack, plan: Plan) -> list[Claim]:
    paused = stack.spec.paused
    if is_asleep(plan):
        return [
            Claim("Ready", "True", "Hibernated", ASLEEP),
            Claim("Reconciling", "False", "Hibernated", ""),
            Claim("Stalled", "False", "Hibernated", ""),
        ]
    serves = Claim(
        "Ready", "True", "Ready", f"version {plan.rollout.version} serves{'; the stack is paused' if paused else ''}"
    )
    return [
        Claim("Ready", "False", "Pending", "nothing serves yet") if plan.revision is None else serves,
        PAUSED if paused else Claim("Reconciling", "False", "Ready", ""),
        Claim("Stalled", "False", "Ready", ""),
    ]


def _hibernated(stack: Stack, plan: Plan, verdict: Verdict | None) -> list[Claim]:
    """Return the condition of a stack that sleeps, or ever did."""
    if is_asleep(plan):
        if verdict is None:
            return [Claim("Hibernated", "True", "Hibernated", ASLEEP)]
        return [Claim("Hibernated", "False", verdict.reason, verdict.message)]
    return [Claim("Hibernated", "False", "Awake", "")] if stack.status.condition("Hibernated") else []


def _available(kind: str, component: str, plan: Plan, inputs: StatusInputs) -> Claim:
    workload = inputs.workloads.get(component)
    if workload is None:
        return Claim(kind, "False", "NotDeployed", f"{component} is not deployed yet")
    note = inputs.notes.get(component, "")
    message = workload.readiness.message + (f"; {note}" if note else "")
    if workload.replicas.available >= 1:
        return Claim(kind, "True", "Available", message)
    return Claim(kind, "False", *(("Hibernated", "") if is_asleep(plan) else (workload.readiness.reason, message)))


def _scheduled(stack: Stack, plan: Plan, inputs: StatusInputs) -> Claim:
    name, crawler = "CrawlerScheduled", stack.spec.crawler
    problem = next((problem for problem in inputs.problems if problem.component == CRAWLER), None)
    if problem:
        return Claim(name, "False", problem.reason, problem.message)
    if is_asleep(plan):
        return Claim(name, "False", "Hibernated", "set spec.hibernated to false to crawl by schedule")
    if plan.revision is None:
        return Claim(name, "False", "NotDeployed", "the crawler waits for the migration of the database")
    if crawler.suspend:
        return Claim(name, "False", "Suspended", "set spec.crawler.suspend to false to crawl by schedule")
    return Claim(name, "True", "Scheduled", f"{crawler.schedule} {crawler.time_zone}")


def _separated(stack: Stack) -> Claim:
    """Say whether a component could do in the database what only another has to."""
    database = stack.spec.database
    users = {name: database.role_of(name) or database.secret_ref for name in (MIGRATE, API, IMAGING, CRAWLER, JOBS)}
    count = Counter((user.name, user.key) for user in users.values())
    shared = [name for name, user in users.items() if name != MIGRATE and count[user.name, user.key] > 1]
    if not shared:
        return Claim("DatabaseRoles", "True", "RolePerComponent", "")
    message = f"{', '.join(shared)} connect as a user of others too; give each a role of its own by spec.database.roles"
    return Claim("DatabaseRoles", "False", "SharedUser", message)
