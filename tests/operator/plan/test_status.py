"""All readiness becomes conditions; the worst wins, and times of what holds on are kept."""

from typing import Any

import pytest

from loppestars_operator.plan.readiness import Readiness, Replicas, State
from loppestars_operator.plan.resolving import resolve_images
from loppestars_operator.plan.rollout import Gate, Passage, Plan, Revision, Workload
from loppestars_operator.plan.status import summarise
from loppestars_operator.plan.verdict import StatusInputs
from loppestars_operator.problems import Problem
from loppestars_operator.spec import Condition, Stack, StackStatus
from loppestars_operator.spec.state import RolloutStatus
from tests.factories.stacks import make_crawl, make_stack

NOW, LATER = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"
STACK = make_stack()
IMAGES = resolve_images(STACK.spec)
DESIRED = Revision(IMAGES, STACK.spec, {})
SERVING = RolloutStatus(version="0.1.0", serving=IMAGES, served=STACK.spec.to_stored())


def workload(state: State = State.READY, available: int = 1) -> Workload:
    return Workload("r/x:1", Readiness(state, state.name.title(), f"{available} of 1 pods ready"),
                    Replicas(desired=1, ready=available, available=available, updated=1))  # fmt: skip


def plan(gate: Gate = Gate.OPEN, message: str = "", reason: str = "", **more: Any) -> Plan:
    passage = Passage(gate, None, message, reason)
    return Plan(**({"desired": DESIRED, "revision": DESIRED, "passage": passage, "rollout": SERVING} | more))


def healthy(**others: Workload) -> dict[str, Workload]:
    return {name: others.get(name, workload()) for name in ("api", "imaging", "jobs")}


def status(decided: Plan | None = None, *, stack: Any = STACK, **view: Any) -> StackStatus:
    workloads = view.pop("workloads", healthy())
    return summarise(stack, decided or plan(), StatusInputs(workloads, **view), NOW)


def claim(of: StackStatus, kind: str) -> tuple[str, str]:
    found = of.condition(kind)
    assert found
    return found.status, found.reason


class TestStatus:
    """All readiness becomes conditions; the worst wins, and times of what holds on are kept."""

    def test_all_is_well(self) -> None:
        """Ready, and nothing else is true of the abnormal ones."""
        found = status()
        assert [claim(found, kind)[0] for kind in ("Ready", "Reconciling", "Stalled")] == ["True", "False", "False"]
        assert (found.phase, found.version) == ("Ready", "0.1.0")

    @pytest.mark.parametrize(
        ("decided", "view", "reason", "phase"),
        [
            (plan(Gate.FAILED, message="boom"), {}, "MigrationFailed", "Stalled"),
            (plan(Gate.REFUSED, message="old"), {}, "VersionTooOld", "Stalled"),
            (plan(rolled_back="no image"), {}, "RolledBack", "RolledBack"),
            (plan(), {"problems": [Problem("InvalidSpec", "cron", transient=False)]}, "InvalidSpec", "Stalled"),
            (plan(), {"workloads": healthy(api=workload(State.FAILED, 0))}, "Failed", "Stalled"),
        ],
    )
    def test_what_needs_a_person_is_stalled(self, decided: Plan, view: dict[str, Any], reason: str, phase: str) -> None:
        """Ready is false for the same reason."""
        found = status(decided, **view)
        assert claim(found, "Stalled") == ("True", reason)
        assert claim(found, "Ready") == ("False", reason)
        assert claim(found, "Reconciling")[0] == "False"
        assert found.phase == phase

    @pytest.mark.parametrize(
        ("decided", "view", "phase"),
        [
            (plan(Gate.MIGRATING, revision=None, rollout=RolloutStatus()), {"workloads": {}}, "Migrating"),
            (plan(rollout=RolloutStatus()), {}, "Deploying"),
            (plan(), {"workloads": healthy(api=workload(State.WAITING, 0))}, "Degraded"),
            (plan(), {"problems": [Problem("ApiError", "503", transient=True)]}, "Degraded"),
        ],
    )
    def test_what_needs_time_is_reconciling(self, decided: Plan, view: dict[str, Any], phase: str) -> None:
        """Not stalled."""
        found = status(decided, **view)
        assert (claim(found, "Reconciling")[0], claim(found, "Stalled")[0]) == ("True", "False")
        assert found.phase == phase

    def test_worst_wins(self) -> None:
        """A problem for a person before one for time."""
        problems = [Problem("ApiError", "503", transient=True), Problem("Forbidden", "no right", transient=False)]
        assert claim(status(problems=problems), "Ready") == ("False", "Forbidden")

    def test_available_while_rolled_back(self) -> None:
        """What serves on is said to."""
        assert claim(status(plan(rolled_back="no image")), "ApiAvailable") == ("True", "Available")

    def test_times_of_what_holds_on_are_kept(self) -> None:
        """Only a change of the status moves it."""
        first = status()
        again = summarise(make_stack(status=first.to_json()), plan(), StatusInputs(healthy()), LATER)
        assert again == first
        failed = summarise(make_stack(status=first.to_json()), plan(Gate.FAILED), StatusInputs({}), LATER)
        ready, scheduled = failed.condition("Ready"), failed.condition("CrawlerScheduled")
        assert ready
        assert scheduled
        assert (ready.last_transition_time, scheduled.last_transition_time) == (LATER, NOW)

    def test_status_survives_being_stored(self) -> None:
        """What is read back compares equal, or every pass would write."""
        found = status(crawls=[make_crawl(status={"state": "Failed", "finishedAt": NOW, "counts": {"seen": 3}})])
        assert StackStatus.model_validate(found.to_json()) == found
        assert found.last_crawl
        assert (found.last_crawl.state, found.last_crawl.seen) == ("Failed", 3)

    def test_older_crawl_does_not_replace_the_recorded_one(self) -> None:
        """After a start not all Crawls are known at once."""
        recorded = {"lastCrawl": {"name": "new", "state": "Succeeded", "finishedAt": LATER}}
        old = make_crawl(status={"state": "Failed", "finishedAt": NOW})
        found = status(stack=make_stack(status=recorded), crawls=[old])
        assert found.last_crawl
        assert found.last_crawl.name == "new"

    def test_history_is_bounded_and_says_what_became_of_versions(self) -> None:
        """Newest first."""
        entry = {"version": "0", "servedFrom": NOW, "result": "Serving"}
        stack = make_stack(status={"history": [entry] * 10})
        found = status(stack=stack)
        assert found.history
        assert len(found.history) == 10
        assert [entry.result for entry in found.history[:2]] == ["Serving", "Replaced"]
        refused = status(plan(rollout=RolloutStatus(refused=IMAGES)), stack=make_stack())
        assert refused.history
        assert refused.history[0].result == "RolledBack"

    def test_suspended_schedule_is_no_fault(self) -> None:
        """The stack stays Ready."""
        found = status(stack=make_stack(crawler={"suspend": True}))
        assert claim(found, "CrawlerScheduled") == ("False", "Suspended")
        assert claim(found, "Ready")[0] == "True"

    def test_paused(self) -> None:
        """It says so, and goes on telling how the stack is."""
        found = status(stack=make_stack(paused=True))
        assert found.phase == "Paused"
        assert claim(found, "Reconciling") == ("False", "Paused")
        assert claim(found, "Ready")[0] == "True"

    def test_paused_before_it_ever_served(self) -> None:
        """No migration is said to run: it waits."""
        passage = Passage(Gate.MIGRATING, None, "the Job runs", create=True)
        decided = plan(revision=None, rollout=RolloutStatus(), passage=passage)
        found = status(decided, stack=make_stack(paused=True), workloads={})
        assert claim(found, "Ready") == ("False", "Paused")
        assert claim(found, "DatabaseMigrated") == ("False", "Paused")
        assert "set spec.paused to false" in str(found.condition("Ready"))

    def test_last_success_outlives_its_crawl(self) -> None:
        """Crawls are kept per history limits, which may keep none; the alert must not fire because of that."""
        done = make_crawl(status={"state": "Succeeded", "finishedAt": "2026-01-01T11:00:00Z"})
        failed = make_crawl(status={"state": "Failed", "finishedAt": "2026-01-01T11:30:00Z"})
        dry = make_crawl(dryRun=True, status={"state": "Succeeded", "finishedAt": "2026-01-01T11:45:00Z"})
        first = status(crawls=[done, failed, dry])
        assert first.last_successful_crawl_at == "2026-01-01T11:00:00Z"
        later = status(stack=make_stack(status=first.to_json()), crawls=[failed])
        assert later.last_successful_crawl_at == "2026-01-01T11:00:00Z"


def roles_of(stack: Stack) -> Condition:
    found = status(stack=stack).condition("DatabaseRoles")
    assert found
    return found


class TestRoles:
    """Whether a component could do in the database what only another has to."""

    def test_one_url_for_all(self) -> None:
        """It works, and the status says it."""
        found = roles_of(make_stack())
        assert (found.status, found.reason) == ("False", "SharedUser")
        assert "api, imaging, crawler, jobs connect" in found.message

    def test_role_per_component(self) -> None:
        """Each in a Secret or under a key of its own."""
        roles = {name: {"name": "roles", "key": name} for name in ("api", "imaging", "crawler", "jobs")}
        database = {"secretRef": {"name": "db"}, "roles": roles}
        assert roles_of(make_stack(database=database)).status == "True"
        database["roles"] = roles | {"jobs": {"name": "db"}}
        assert "jobs connect" in roles_of(make_stack(database=database)).message
