"""All readiness → conditions, phase and counts; the worst wins. Pure: the clock is handed in."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from loppestars_operator.plan.conditions import Claim, claims, claims_of_verdict
from loppestars_operator.plan.rollout import Gate, Plan
from loppestars_operator.plan.verdict import StatusInputs, Verdict, find_verdict, is_asleep, is_taking_up
from loppestars_operator.rendering.context import serving_url
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


def summarise(stack: Stack, plan: Plan, inputs: StatusInputs, now: str) -> StackStatus:
    """Return the status that the stack should have; times of conditions that hold on are kept."""
    if stack.spec.paused and plan.passage.create:
        message = "waits, as the stack is paused; set spec.paused to false to go on"
        plan = replace(plan, passage=replace(plan.passage, reason="Paused", message=message))
    verdict = find_verdict(plan, inputs)
    # Remembered apart from Crawls, of which a history limit may keep none; a dry run makes no market any newer.
    good = [crawl.status for crawl in inputs.crawls if crawl.status.state == "Succeeded" and not crawl.spec.dry_run]
    successes = [at for at in (*(crawl.finished_at for crawl in good), stack.status.last_successful_crawl_at) if at]
    return StackStatus(
        observed_generation=stack.generation,
        version=plan.rollout.version,
        url=serving_url(stack.spec),
        phase=_phase(stack, plan, verdict),
        conditions=[_dated(stack, claim, now) for claim in claims(stack, plan, verdict, inputs)],
        components=[
            ComponentStatus(
                name=name,
                image=workload.image,
                desired=workload.replicas.desired,
                ready=workload.replicas.ready,
                updated=workload.replicas.updated,
            )
            for name, workload in sorted(inputs.workloads.items())
        ]
        or None,
        last_crawl=_last_crawl(inputs.crawls, stack.status.last_crawl),
        last_successful_crawl_at=max(successes, default=None),
        history=_history(stack, plan, now) or None,
        operator=inputs.operator,
        migration=plan.passage.migration,
        backup=inputs.recovery.backup if inputs.recovery else stack.status.backup,
        drill=inputs.recovery.drill if inputs.recovery else stack.status.drill,
        rollout=plan.rollout,
    )


def unusable_status(stack: Stack, reason: str, message: str, now: str) -> StackStatus:
    """Return the status of a resource on which no pass can be made; what is known of its parts is kept."""
    verdict = Verdict(reason, message, stalled=True)
    claimed = [*claims_of_verdict(stack, verdict)]
    told = [_dated(stack, claim, now) for claim in claimed]
    kept = [
        condition
        for condition in stack.status.conditions or ()
        if condition.type not in {claim.type for claim in claimed}
    ]
    return stack.status.model_copy(
        update={"observed_generation": stack.generation, "phase": "Stalled", "conditions": [*told, *kept]}
    )


def _dated(stack: Stack, claim: Claim, now: str) -> Condition:
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


def _phase(stack: Stack, plan: Plan, verdict: Verdict | None) -> Phase:  # noqa: PLR0911 - one return per phase
    if stack.spec.paused:
        return "Paused"
    if is_asleep(plan) and not (verdict and verdict.stalled):
        return "Hibernating" if verdict else "Hibernated"
    if plan.rolled_back:
        return "RolledBack"
    if verdict and verdict.stalled:
        return "Stalled"
    if plan.gate is Gate.MIGRATING:
        return "Migrating"
    if verdict is None:
        return "Ready" if plan.revision else "Pending"
    if stack.status.phase in {"Hibernating", "Hibernated", "Waking"}:
        return "Waking"
    return "Deploying" if is_taking_up(plan) or plan.canary else "Degraded"


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
