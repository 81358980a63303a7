"""Readiness of one object, in the words of its pods."""

from typing import Any

import pytest

from loppestars_operator.plan.readiness import (
    State,
    deployment_readiness,
    first_problem,
    image_of,
    job_readiness,
    terminated,
    termination_message,
    termination_report,
)


def deployment(*, reason: str = "NewReplicaSetAvailable", seen: int = 2, **status: Any) -> dict[str, Any]:
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2} | status
    progressing = {"type": "Progressing", "status": "True", "reason": reason}
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": seen, "conditions": [progressing], **counts},
    }


def pod(state: dict[str, Any], *, last: dict[str, Any] | None = None, created: str = "2026-01-01") -> dict[str, Any]:
    container = {"name": "api", "state": state, "lastState": last or {}}
    return {"metadata": {"creationTimestamp": created}, "status": {"containerStatuses": [container]}}


class TestDeployment:
    def test_complete_rollout(self) -> None:
        """All pods are of the newest template and available."""
        assert deployment_readiness(deployment(), []).ready

    def test_autoscaler_that_adds_a_pod_does_not_unready(self) -> None:
        """The component serves; its message says how many do."""
        found = deployment_readiness(deployment(readyReplicas=1, availableReplicas=1), [])
        assert (found.ready, found.message) == (True, "1 of 2 pods ready")

    @pytest.mark.parametrize(
        "status",
        [
            {"availableReplicas": 0, "readyReplicas": 0},
            {"replicas": 3},
            {"updatedReplicas": 0},
            {"reason": "ReplicaSetUpdated"},
            {"seen": 1},
        ],
    )
    def test_what_is_waited_for(self, status: dict[str, Any]) -> None:
        """No pod available, old pods left, a rollout under way, a controller that has not looked."""
        assert deployment_readiness(deployment(**status), []).state is State.WAITING

    def test_exceeded_deadline_names_the_pods_problem(self) -> None:
        """Not only that it failed, but why."""
        waiting = pod({"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}})
        found = deployment_readiness(deployment(reason="ProgressDeadlineExceeded", readyReplicas=0), [waiting])
        assert found.state is State.FAILED
        assert found.message == "0 of 2 pods ready; ErrImagePull: manifest unknown"


class TestJob:
    def test_complete(self) -> None:
        """The condition decides, not the counts."""
        assert job_readiness({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, []).ready

    def test_failed_tells_the_last_words(self) -> None:
        """Of the pod that ended last."""
        job = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}
        pods = [
            pod({"terminated": {"exitCode": 1, "message": "first", "finishedAt": "2026-01-01T00:00:01Z"}}),
            pod({"terminated": {"exitCode": 1, "message": "second", "finishedAt": "2026-01-01T00:00:02Z"}}),
        ]
        found = job_readiness(job, pods)
        assert (found.state, found.reason, found.message) == (State.FAILED, "BackoffLimitExceeded", "second")

    def test_failed_without_a_pod(self) -> None:
        """At the deadline the pod is gone with its words."""
        condition = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "was active too long"}
        assert job_readiness({"status": {"conditions": [condition]}}, []).message == "was active too long"


class TestProblems:
    def test_crash_loop_tells_what_the_process_said(self) -> None:
        """From the termination message of the last try."""
        crashed = pod({"waiting": {"reason": "CrashLoopBackOff"}}, last={"terminated": {"message": "no DATABASE_URL"}})
        problem = first_problem([crashed])
        assert problem
        assert (problem.reason, problem.message) == ("CrashLoopBackOff", "no DATABASE_URL")

    def test_newest_pod_speaks(self) -> None:
        """And one that is being deleted does not."""
        old = pod({"waiting": {"reason": "ErrImagePull", "message": "old"}}, created="2026-01-01")
        new = pod({"waiting": {"reason": "ErrImagePull", "message": "new"}}, created="2026-01-02")
        going = pod({"waiting": {"reason": "ErrImagePull", "message": "going"}}, created="2026-01-03")
        going["metadata"]["deletionTimestamp"] = "2026-01-03"
        problem = first_problem([old, new, going])
        assert problem
        assert problem.message == "new"

    def test_init_container_that_fails(self) -> None:
        """Injected by somebody else; our own container only waits, without a word."""
        ended = {"terminated": {"exitCode": 1, "message": "no certificate"}}
        init = {"name": "mesh-init", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
        body = pod({"waiting": {"reason": "PodInitializing"}})
        body["status"]["initContainerStatuses"] = [init]
        found = first_problem([body])
        assert found
        assert (found.reason, found.message) == ("CrashLoopBackOff", "no certificate")

    def test_sidecar_that_ends_last(self) -> None:
        """One that is an init container is ended by a signal; the words are our own container's."""
        body = pod({"terminated": {"exitCode": 1, "message": "out of disk", "finishedAt": "2026-01-01T12:00:00Z"}})
        sidecar = {"exitCode": 143, "message": "drained", "finishedAt": "2026-01-01T12:00:02Z"}
        body["status"]["initContainerStatuses"] = [{"name": "istio-proxy", "state": {"terminated": sidecar}}]
        assert termination_message([body]) == "out of disk"

    def test_unschedulable(self) -> None:
        """The scheduler's words."""
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
        problem = first_problem([{"metadata": {}, "status": {"conditions": [condition]}}])
        assert problem
        assert (problem.reason, problem.message) == ("Unschedulable", "0/3 nodes")


class TestContainers:
    def test_image_is_that_of_the_own_container(self) -> None:
        """A container that a mesh injected may stand first."""
        containers = [{"name": "proxy", "image": "mesh:1"}, {"name": "api", "image": "r/api:1"}]
        assert image_of({"spec": {"template": {"spec": {"containers": containers}}}}, "api") == "r/api:1"

    def test_end_is_that_of_the_own_container(self) -> None:
        """The kubelet sorts containers by their names: a proxy's end is not the crawl's."""
        proxy = {"name": "a-proxy", "state": {"terminated": {"exitCode": 0}}}
        own = {"name": "crawler", "state": {"terminated": {"exitCode": 1, "message": "no answer"}}}
        labels = {"app.kubernetes.io/component": "crawler"}
        body = {"metadata": {"labels": labels}, "status": {"containerStatuses": [proxy, own]}}
        assert (terminated(body) or {})["exitCode"] == 1
        assert termination_message([body]) == "no answer"

    def test_words_of_others_are_bounded(self) -> None:
        """A webhook or a kubelet may say more than a status may hold."""
        endless = "x" * 100_000
        waiting = pod({"waiting": {"reason": "ErrImagePull", "message": endless}})
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "", "message": endless}
        refused = deployment_readiness(deployment(conditions=[failure]), [])
        assert len(deployment_readiness(deployment(reason="ProgressDeadlineExceeded"), [waiting]).message) < 2000
        assert (refused.reason, len(refused.message)) == ("FailedCreate", 1000)


class TestReadiness:
    """Readiness of one object, in the words of its pods."""

    def test_long_last_words_keep_their_end(self) -> None:
        """Where a log fell in for the message, the cause stands last."""
        ended = pod({"terminated": {"exitCode": 1, "message": "x" * 3000 + "the cause"}})
        assert termination_message([ended]).endswith("the cause")
        assert len(termination_message([ended])) == 1000

    @pytest.mark.parametrize("message", ["", "Traceback", "[1]", "12"])
    def test_report_that_is_none(self, message: str) -> None:
        """Only a JSON object is a report."""
        assert termination_report([pod({"terminated": {"exitCode": 1, "message": message}})]) == {}
