"""What becomes of Crawls, as pure decisions."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from loppestars_operator.plan.crawls import CrawlObjects, CrawlPlan, CrawlRules, orphaned, plan_crawls
from tests.factories.stacks import make_crawl

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
RULES = CrawlRules(blocked=None, successful_history=2, failed_history=1)
JOB_UID = "job-uid"


def job(
    crawl: str | None = "by-hand", *, done: str | None = None, failed: bool = False, **owner: str
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "crawler"} | ({"loppestars.dev/crawl": crawl} if crawl else {})
    condition = {"type": "Failed" if failed else "Complete", "status": "True", "lastTransitionTime": done}
    return {
        "kind": "Job",
        "metadata": {"name": f"{crawl or 'nightly'}-job", "namespace": "shop", "uid": JOB_UID, "labels": labels,
                     "ownerReferences": [{"uid": "owner", **owner}] if owner else []},
        "status": {"startTime": "2026-01-01T11:00:00Z"} | ({"conditions": [condition]} if done else {}),
    }  # fmt: skip


def pod(code: int, message: Any = "") -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    ended = {"terminated": {"exitCode": code, "message": text, "finishedAt": "2026-01-01T11:30:00Z"}}
    return {
        "metadata": {"ownerReferences": [{"uid": JOB_UID}]},
        "status": {"containerStatuses": [{"name": "crawler", "state": ended}]},
    }


def running_pod(name: str, *, due: str | None = None) -> dict[str, Any]:
    """A pod whose Job is gone; `due` is when its grace period ends."""
    metadata = {"name": name, "ownerReferences": [{"kind": "Job", "uid": "gone"}]}
    return {"metadata": metadata | ({"deletionTimestamp": due} if due else {}), "status": {"phase": "Running"}}


def decide(
    crawls: list[Any], jobs: list[Any] | None = None, pods: list[Any] | None = None, rules: CrawlRules = RULES
) -> CrawlPlan:
    return plan_crawls(crawls, CrawlObjects(jobs or [], pods or []), rules, NOW)


def reported(plan: CrawlPlan, name: str = "by-hand") -> Any:
    return next(status for crawl, status in plan.report if crawl.name == name)


class TestStarting:
    def test_oldest_first_and_one_at_a_time(self) -> None:
        """The younger one waits."""
        young, old = make_crawl(name="young", created_at="2026-01-01T11:00:00Z"), make_crawl(name="old")
        plan = decide([young, old])
        assert plan.start is old
        assert reported(plan, "young").message == "waits for another crawl to end"

    def test_waits_for_a_running_job_of_anybody(self) -> None:
        """The schedule's as well."""
        plan = decide([make_crawl()], [job(None, kind="CronJob")])
        assert plan.start is None
        assert reported(plan).message == "waits for nightly-job to end"

    def test_waits_for_the_process_of_a_cancelled_crawl(self) -> None:
        """Its Job is gone at once; the process finishes its page, and until then it holds the database's lock."""
        ending = running_pod("first-job-x", due="2026-01-01T12:00:20Z")
        plan = decide([make_crawl()], pods=[ending])
        assert (plan.start, reported(plan).message) == (None, "waits for first-job-x to end")
        assert decide([make_crawl()], pods=[ending | {"status": {"phase": "Failed"}}]).start

    def test_does_not_wait_for_a_lost_node(self) -> None:
        """Nobody will ever say that a pod there has ended; it is looked at again when that is clear."""
        waited = decide([make_crawl()], pods=[running_pod("first-job-x", due="2026-01-01T11:59:30Z")])
        assert (waited.start, waited.look_again) == (None, 60)
        assert decide([make_crawl()], pods=[running_pod("first-job-x", due="2026-01-01T11:58:00Z")]).start

    def test_does_not_wait_for_somebodys_copy_of_a_pod(self) -> None:
        """Made for a look around, without a Job."""
        copy = running_pod("debug")
        copy["metadata"]["ownerReferences"] = []
        assert decide([make_crawl()], pods=[copy]).start

    def test_crawl_that_is_being_deleted(self) -> None:
        """It is not started any more, nor spoken of; the next one is."""
        going, staying = make_crawl(name="going", deleting=True), make_crawl(name="staying", uid="b" * 36)
        plan = decide([going, staying])
        assert plan.start is staying
        assert [crawl.name for crawl, _ in plan.report] == ["staying"]

    def test_blocked_stack(self) -> None:
        """With the reason."""
        plan = decide([make_crawl()], rules=CrawlRules("the stack is paused", 1, 1))
        assert (plan.start, reported(plan).message) == (None, "the stack is paused")

    def test_cancelled_before_its_start(self) -> None:
        """It never runs."""
        plan = decide([make_crawl(cancel=True)])
        assert (plan.start, reported(plan).state) == (None, "Cancelled")
        assert reported(plan).finished_at == "2026-01-01T12:00:00Z"


class TestEnding:
    @pytest.mark.parametrize(
        ("code", "state"), [(0, "Succeeded"), (1, "Failed"), (3, "Superseded"), (143, "Cancelled"), (137, "Failed")]
    )
    def test_exit_codes(self, code: int, state: str) -> None:
        """As the crawler documents them."""
        plan = decide([make_crawl()], [job(done="2026-01-01T11:30:00Z", failed=code > 0)], [pod(code, {"counts": {}})])
        assert reported(plan).state == state

    def test_counts_and_run_id_of_a_scheduled_run(self) -> None:
        """What the pod reports; nonsense in it is left out."""
        crawl = make_crawl(labels={"loppestars.dev/trigger": "Schedule"})
        report = {"runId": "r-1", "counts": {"seen": 7, "new": -1, "odd": 3, "failed": "x"}}
        status = reported(decide([crawl], [job(done="2026-01-01T11:30:00Z")], [pod(0, report)]))
        assert (status.run_id, status.trigger) == ("r-1", "Schedule")
        assert (status.counts.seen, status.counts.new, status.counts.failed) == (7, 0, 0)

    def test_counts_beyond_all_bounds(self) -> None:
        """A report must not make a status that nobody takes."""
        report = {"counts": {"seen": 10**30, "new": True}}
        status = reported(decide([make_crawl()], [job(done="2026-01-01T11:30:00Z")], [pod(0, report)]))
        assert (status.counts.seen, status.counts.new) == (2_000_000_000, 1)

    def test_job_seen_to_end_before_its_pod(self) -> None:
        """The pod's last words are waited for, not for ever."""
        early = decide([make_crawl()], [job(done="2026-01-01T11:59:58Z")])
        assert reported(early).state == "Running"
        assert early.look_again == pytest.approx(6)
        skewed = decide([make_crawl()], [job(done="2026-01-01T12:10:00Z")])
        assert (reported(skewed).state, skewed.look_again) == ("Succeeded", None), "our clock is behind the cluster's"
        late = decide([make_crawl()], [job(done="2026-01-01T11:59:00Z")])
        assert (reported(late).state, late.look_again) == ("Succeeded", None)

    def test_cancel_of_a_running_crawl_ends_its_job(self) -> None:
        """It is Cancelled once the Job is gone."""
        crawl = make_crawl(cancel=True)
        assert decide([crawl], [job()]).stop
        assert reported(decide([make_crawl(cancel=True, status={"state": "Running"})])).state == "Cancelled"

    def test_job_deleted_under_a_running_crawl(self) -> None:
        """Not started again: what it did is not known."""
        plan = decide([make_crawl(status={"state": "Running"})])
        assert (plan.start, reported(plan).state, reported(plan).message) == (None, "Failed", "its Job was deleted")

    def test_finished_crawl_is_left_alone(self) -> None:
        """Its status is history."""
        finished = make_crawl(status={"state": "Succeeded", "finishedAt": "2026-01-01T10:00:00Z"})
        plan = decide([finished], [job(done="2026-01-01T10:00:00Z")], [pod(1)])
        assert (plan.report, plan.start, plan.forget) == ([], None, [])


class TestAdopting:
    def test_job_of_the_schedule(self) -> None:
        """Once: then it is labelled."""
        assert decide([], [job(None, kind="CronJob")]).adopt
        assert not decide([], [job("nightly", kind="CronJob")]).adopt

    def test_job_of_somebody_else(self) -> None:
        """Made by hand, without an owner."""
        assert not decide([], [job(None)]).adopt


class TestOrphans:
    def test_waits_for_its_stack(self) -> None:
        """With its run id."""
        status = orphaned(make_crawl(), "waits for a stack", NOW)
        assert (status.state, status.message) == ("Pending", "waits for a stack")
        assert status.run_id

    def test_cancelled(self) -> None:
        """It does not wait any more."""
        assert orphaned(make_crawl(cancel=True), "waits", NOW).state == "Cancelled"

    def test_running(self) -> None:
        """What is known of it is not unlearned while its stack is deleted."""
        crawl = make_crawl(status={"state": "Running", "job": "x"})
        assert orphaned(crawl, "waits", NOW) == crawl.status


class TestCrawls:
    """What becomes of Crawls, as pure decisions."""

    def test_history_keeps_the_newest_of_each_kind(self) -> None:
        """Two successes and one of the others, by their ends."""
        crawls = [
            make_crawl(name=f"{state}-{hour}", status={"state": state, "finishedAt": f"2026-01-01T0{hour}:00:00Z"})
            for hour in (1, 2, 3)
            for state in ("Succeeded", "Failed")
        ]
        assert {crawl.name for crawl in decide(crawls).forget} == {"Succeeded-1", "Failed-1", "Failed-2"}


class TestRetries:
    def test_last_try_counts(self) -> None:
        """A pod that was killed is tried again; what the second one says is the crawl's end."""
        killed, second = pod(137), pod(0, {"counts": {"seen": 7}})
        killed["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-01-01T11:10:00Z"
        crawl = make_crawl(status={"state": "Running"})
        for pods in ([killed, second], [second, killed]):
            status = reported(decide([crawl], [job(done="2026-01-01T11:31:00Z")], pods))
            assert (status.state, status.counts.seen) == ("Succeeded", 7)
