"""Crawls by hand, from the API, by the schedule; one at a time; cancelled, failed, superseded, kept."""

import asyncio
from typing import Any

import pytest

from loppestars_operator.kinds import CRAWL, POD, Manifest, kind_named
from tests.factories.cluster_client import AuditLog, Client, eventually
from tests.factories.kubelet import Ended, FakeKubelet, Outcome, Running, Waiting, crawl_report, healthy
from tests.factories.operator_process import ACCOUNT, OperatorProcess, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
JOB = kind_named("Job")
RUN_ID = "0b9e3f1c-1a2b-4c3d-8e4f-5a6b7c8d9e0f"


async def start(client: Client, name: str, **spec: Any) -> None:
    body = {
        "apiVersion": CRAWL.api_version,
        "kind": CRAWL.kind,
        "metadata": {"name": name, "namespace": client.namespace},
        "spec": {"stackRef": {"name": "fair"}, **spec},
    }
    await client.kube.create(CRAWL.path(client.namespace), body)


def crawling(outcome: Outcome) -> Any:
    def rule(pod: Manifest) -> Outcome:
        is_crawl = pod["metadata"]["labels"]["app.kubernetes.io/component"] == "crawler"
        return outcome if is_crawl else healthy(pod)

    return rule


class TestCrawls:
    """Crawls by hand, from the API, by the schedule; one at a time; cancelled, failed, superseded, kept."""

    async def test_crawl_of_the_api_runs_as_a_job(self, client: Client, operator: OperatorProcess) -> None:
        """The run's id reaches the command line, the counts reach the status, the stack shows the last crawl."""
        await client.apply_stack()
        await client.ready()
        await start(client, "from-api", runId=RUN_ID, sources=["markedskalenderen"], limit=5)
        status = await client.crawl_when("from-api", lambda status: status["state"] == "Succeeded")
        assert (status["trigger"], status["runId"]) == ("Api", RUN_ID)
        assert (status["counts"]["seen"], status["counts"]["new"]) == (12, 3)
        assert status["startedAt"] <= status["finishedAt"]
        job = await client.get(JOB, status["job"])
        assert job
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        assert command[:4] == ["loppestars-crawler", "crawl", "--run-id", RUN_ID]
        # A pod that was killed is replaced, and goes on with the same run; one that ended by itself is not.
        assert job["spec"]["backoffLimit"] == 2
        assert job["spec"]["podFailurePolicy"]["rules"][0]["action"] == "FailJob"
        stack = await client.stack_when(lambda status: status["lastCrawl"]["name"] == "from-api")
        assert (stack["lastCrawl"]["state"], stack["lastCrawl"]["seen"]) == ("Succeeded", 12)

    async def test_one_at_a_time_and_cancel(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """The second waits, saying for what; cancelling the first lets it start."""
        kubelet.rules[client.namespace] = crawling(Running())
        await client.apply_stack()
        await client.ready()
        await start(client, "first")
        await client.crawl_when("first", lambda status: status["state"] == "Running")
        await start(client, "second")
        waiting = await client.crawl_when("second", lambda status: status["state"] == "Pending")
        assert waiting["message"].startswith("waits for first-")
        await client.patch(CRAWL, "first", {"spec": {"cancel": True}})
        await client.crawl_when("first", lambda status: status["state"] == "Cancelled")
        await client.crawl_when("second", lambda status: status["state"] == "Running")

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            (Ended(1, crawl_report(error="loppemarkeder: 503 for 10 minutes")), ("Failed", "loppemarkeder: 503")),
            (Ended(3, crawl_report(message="another crawl holds the lock")), ("Superseded", "another crawl")),
            (Ended(2, "Traceback …\nKeyError: 'title'"), ("Failed", "KeyError: 'title'")),
        ],
    )
    async def test_ends_of_a_crawl(
        self,
        client: Client,
        operator: OperatorProcess,
        kubelet: FakeKubelet,
        outcome: Outcome,
        expected: tuple[str, str],
    ) -> None:
        """Exit code and last words become state and message; nothing is tried again."""
        state, message = expected
        kubelet.rules[client.namespace] = crawling(outcome)
        await client.apply_stack()
        await client.ready()
        await start(client, "ends")
        status = await client.crawl_when("ends", lambda status: status["state"] == state)
        assert message in status["message"]
        assert len(await client.list(JOB)) == 2  # the migration and this one

    async def test_scheduled_job_is_adopted_and_stays_deleted(
        self, client: Client, operator: OperatorProcess, plane: ControlPlane, audit: AuditLog
    ) -> None:
        """A Job of the CronJob appears as a Crawl with its trigger; deleting the Crawl does not bring it back."""
        await client.apply_stack()
        await client.ready()
        made = kubectl(plane, "-n", client.namespace, "create", "job", "nightly", "--from=cronjob/fair-crawler")
        assert made.returncode == 0, made.stderr
        status = await client.crawl_when("nightly", lambda status: status["state"] == "Succeeded")
        assert (status["trigger"], status["job"]) == ("Schedule", "nightly")
        began = audit.mark()
        await client.delete(CRAWL, "nightly")
        await client.annotate("fair", reconcile="1")
        await asyncio.sleep(1.5)
        assert await client.list(CRAWL) == []
        writes = audit.writes(ACCOUNT, began, client.namespace)
        assert [write for write in writes if "crawls" in write or "jobs" in write] == []

    async def test_history_is_bounded(self, client: Client, operator: OperatorProcess) -> None:
        """The oldest finished Crawls go, and their Jobs with them."""
        await client.apply_stack(crawler={"successfulHistoryLimit": 1})
        await client.ready()
        for number in range(2):
            await start(client, f"run-{number}")
            await client.crawl_when(f"run-{number}", lambda status: status["state"] == "Succeeded")
            await asyncio.sleep(1)  # times of finished Jobs are whole seconds

        async def pruned() -> bool:
            crawls = [crawl["metadata"]["name"] for crawl in await client.list(CRAWL)]
            jobs = [job["metadata"]["name"] for job in await client.list(JOB)]
            return crawls == ["run-1"] and not any(name.startswith("run-0") for name in jobs)

        await eventually(pruned, within=20)

    async def test_crawl_without_a_stack_says_so(self, client: Client, operator: OperatorProcess) -> None:
        """It waits, and goes on once the stack is there."""
        await start(client, "early")
        status = await client.crawl_when("early", lambda status: status["state"] == "Pending")
        assert status["message"] == f"waits for a LoppestarsStack named fair in namespace {client.namespace}"
        await client.apply_stack()
        await client.crawl_when("early", lambda status: status["state"] == "Succeeded")

    async def test_crawl_waits_for_the_process_of_the_cancelled_one(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """A pod has seconds to end after its Job is gone; a second crawl would meet the lock and be superseded."""
        kubelet.rules[client.namespace] = crawling(Running())
        await client.apply_stack()
        await client.ready()
        await start(client, "first")
        first = await client.crawl_when("first", lambda status: status["state"] == "Running")
        (pod,) = [pod for pod in await client.list(POD) if pod["metadata"]["name"].startswith("first-")]
        # What a kubelet does for as long as the process runs: it keeps the pod.
        finalizers = [*pod["metadata"].get("finalizers", ()), "tests.loppestars.dev/process"]
        await client.patch(POD, pod["metadata"]["name"], {"metadata": {"finalizers": finalizers}})
        await client.patch(CRAWL, "first", {"spec": {"cancel": True}})
        await start(client, "second")
        await client.crawl_when("first", lambda status: status["state"] == "Cancelled")
        waiting = await client.crawl_when("second", lambda status: status["message"].endswith("to end"))
        assert waiting["state"] == "Pending"
        # The Job as long as it is there, then its pod.
        assert waiting["message"] in {f"waits for {name} to end" for name in (pod["metadata"]["name"], first["job"])}
        await client.patch(POD, pod["metadata"]["name"], {"metadata": {"finalizers": None}})
        await client.crawl_when("second", lambda status: status["state"] == "Running")

    async def test_job_that_may_not_be_made_is_told(
        self, client: Client, operator: OperatorProcess, kubelet: FakeKubelet
    ) -> None:
        """By the Crawl, in the API server's words; the stack's own status goes on."""
        await client.apply_stack()
        await client.ready()
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "jobs"}}
        path = f"/api/v1/namespaces/{client.namespace}/resourcequotas"
        await client.kube.create(path, quota | {"spec": {"hard": {"count/jobs.batch": "0"}}})

        async def counted() -> bool:
            return bool((await client.kube.get(f"{path}/jobs")).get("status", {}).get("hard"))

        await eventually(counted)
        await start(client, "over-quota")
        status = await client.crawl_when("over-quota", lambda status: "quota" in status["message"])
        assert status["state"] == "Pending"
        assert "exceeded quota: jobs" in status["message"]
        kubelet.rules[client.namespace] = lambda _: Waiting("ImagePullBackOff", "no such image")
        await client.apply_stack(imaging={"image": "ghcr.io/loppestars/imaging:9"})
        await client.stack_when(lambda status: status["components"][1]["image"].endswith(":9"))
        await client.kube.delete(f"{path}/jobs")
        kubelet.rules[client.namespace] = healthy
        await client.annotate("fair", reconcile="1")
        await client.crawl_when("over-quota", lambda status: status["state"] == "Succeeded")
