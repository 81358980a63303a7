"""Crawls by hand: who may, one at a time, and processes that end in every possible way."""

import asyncio
import os
import stat
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from kubernetes import client as kubernetes_client
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.crawls import dependencies
from loppestars_api.crawls.cluster_launcher import ClusterCrawlLauncher
from loppestars_api.crawls.launcher import CrawlOrder, LaunchFailed
from loppestars_api.crawls.local_launcher import arguments_of
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls import add_failed_item, begin_run, finish_run
from loppestars_core.crawls.models import CrawlRun
from loppestars_core.events.models import AuditEntry

Program = Callable[[str], Path]
FINISHED = {"succeeded", "failed", "cancelled", "superseded"}


@pytest.fixture
async def admin(session: AsyncSession, sign: Any) -> dict[str, str]:
    """Headers of somebody to whom the role was granted in the database."""
    await ensure_user(session, "admin-1")
    await session.execute(insert(RoleGrant).values(user_id="admin-1", role="admin"))
    await session.commit()
    headers: dict[str, str] = sign("admin-1")
    return headers


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A crawler for tests: a Python script that gets the crawler's arguments and environment."""

    def write(body: str) -> Path:
        path = tmp_path / f"crawler-{uuid.uuid4().hex[:6]}"
        path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


def client_of(settings: ApiSettings, command: Path | str) -> tuple[Any, httpx.AsyncClient]:
    app = create_app(settings.model_copy(update={"crawl_command": str(command)}))
    return app, httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api.test")


async def until_finished(client: httpx.AsyncClient, run_id: str, admin: dict[str, str]) -> dict[str, Any]:
    """The record of the run when it has ended."""
    for _ in range(200):
        record: dict[str, Any] = (await client.get(f"/scraper/runs/{run_id}", headers=admin)).json()
        # A machine that is busy with the output of fifty thousand lines may answer 503 meanwhile.
        if record.get("state") in FINISHED:
            return record
        await asyncio.sleep(0.05)
    raise AssertionError(record)


class TestWhoMay:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/scraper/trigger"),
            ("GET", "/scraper/runs"),
            ("GET", "/scraper/runs/5b0f4a3e-0000-4000-8000-000000000000"),
            ("POST", "/scraper/runs/5b0f4a3e-0000-4000-8000-000000000000/cancel"),
        ],
    )
    async def test_admins_only(self, client: httpx.AsyncClient, sign: Any, method: str, path: str) -> None:
        """401 without a token, 403 for everybody else; a claim that nobody trusts is nothing."""
        assert (await client.request(method, path)).status_code == 401
        for headers in (sign("user-1"), sign("user-1", app_metadata={"roles": ["admin"]}, role="admin")):
            assert (await client.request(method, path, headers=headers)).status_code == 403

    async def test_a_trusted_claim_is_enough(self, api_settings: ApiSettings, sign: Any) -> None:
        """Where the configuration trusts the issuer's roles."""
        app, client = client_of(api_settings.model_copy(update={"jwt_trust_roles_claim": True}), "true")
        async with app.router.lifespan_context(app), client:
            headers = sign("user-1", app_metadata={"roles": ["admin"]})
            assert (await client.get("/scraper/runs", headers=headers)).json() == []

    async def test_a_revoked_role_ends_at_once(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """No cache keeps an admin."""
        assert (await client.get("/scraper/runs", headers=admin)).status_code == 200
        await session.execute(text("UPDATE role_grants SET revoked_at = now()"))
        await session.commit()
        assert (await client.get("/scraper/runs", headers=admin)).status_code == 403


class TestTrigger:
    async def test_a_second_one_returns_the_same_run(
        self, api_settings: ApiSettings, admin: dict[str, str], program: Program, session: AsyncSession
    ) -> None:
        """Ten at the same moment through two replicas: one run, one process."""
        command = program('open(sys.argv[0] + f".{os.getpid()}", "w").close()\ntime.sleep(30)')
        one, first = client_of(api_settings, command)
        two, second = client_of(api_settings, command)
        async with one.router.lifespan_context(one), two.router.lifespan_context(two), first, second:
            answers = await asyncio.gather(
                *(client.post("/scraper/trigger", headers=admin) for client in (first, second) for _ in range(5))
            )
            for _ in range(100):
                if started := list(command.parent.glob(command.name + ".*")):
                    break
                await asyncio.sleep(0.05)
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.json()["runId"] for answer in answers}) == 1
            assert len(started) == 1
        document = answers[0].json()
        assert list(document) == ["success", "message", "note", "runId"]
        assert document["message"] == "Scraper triggered successfully in background"
        assert [entry.action for entry in (await session.execute(select(AuditEntry))).scalars()] == ["crawl.trigger"]

    async def test_the_crawler_is_told_what_and_where(
        self, api_settings: ApiSettings, admin: dict[str, str], program: Program
    ) -> None:
        """Arguments, and the database of the API."""
        command = program('open(sys.argv[0] + ".said", "w").write(" ".join(sys.argv[1:]) + os.environ["DATABASE_URL"])')
        app, client = client_of(api_settings, command)
        async with app.router.lifespan_context(app), client:
            wanted = {"sources": ["markedskalenderen"], "limit": 5}
            run_id = (await client.post("/scraper/trigger", headers=admin, json=wanted)).json()["runId"]
            record = await until_finished(client, run_id, admin)
        said = command.with_name(command.name + ".said").read_text()
        assert said == f"crawl --run-id {run_id} --source markedskalenderen --limit 5{api_settings.pooled_url}"
        assert record["sources"] == ["markedskalenderen"]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("print('no such page'); sys.exit(1)", ("failed", "exit code 1 and left no record:\nno such page")),
            ("os.kill(os.getpid(), signal.SIGKILL)", ("failed", "signal SIGKILL")),
            ("sys.exit(143)", ("cancelled", "stopped")),
            ("pass", ("failed", "exit code 0 and left no record")),
            ("sys.stdout.write('x' * 5_000_000); sys.exit(1)", ("failed", "exit code 1")),
            ("[print('line', n) for n in range(50_000)]; sys.exit(1)", ("failed", "line 49999")),
        ],
    )
    async def test_a_process_that_ends_without_a_word_is_recorded(
        self, api_settings: ApiSettings, admin: dict[str, str], program: Program, body: str, expected: tuple[str, str]
    ) -> None:
        """However it ends, and however much it says: no run stays `running`, no pipe fills up."""
        app, client = client_of(api_settings, program(body))
        async with app.router.lifespan_context(app), client:
            run_id = (await client.post("/scraper/trigger", headers=admin)).json()["runId"]
            record = await until_finished(client, run_id, admin)
            again = (await client.post("/scraper/trigger", headers=admin)).json()["runId"]
        assert record["state"] == expected[0]
        assert expected[1] in record["error"]
        assert again != run_id

    async def test_a_crawler_that_cannot_be_started_is_a_503(
        self, api_settings: ApiSettings, admin: dict[str, str], session: AsyncSession
    ) -> None:
        """The record says why, and the next trigger is a new run."""
        app, client = client_of(api_settings, "/no/such/crawler")
        async with app.router.lifespan_context(app), client:
            answer = await client.post("/scraper/trigger", headers=admin)
            assert (answer.status_code, "/no/such" in answer.text) == (503, False)
            assert int(answer.headers["retry-after"]) > 0
        run = (await session.execute(select(CrawlRun))).scalar_one()
        assert (run.state, "could not be started" in str(run.error)) == ("failed", True)

    async def test_the_end_of_the_api_ends_the_crawl(
        self, api_settings: ApiSettings, admin: dict[str, str], program: Program, session: AsyncSession
    ) -> None:
        """It is told to stop, waited for, and recorded; no orphan."""
        command = program('open(sys.argv[0] + ".pid", "w").write(str(os.getpid()))\ntime.sleep(30)')
        app, client = client_of(api_settings, command)
        async with app.router.lifespan_context(app), client:
            await client.post("/scraper/trigger", headers=admin)
            pid = command.with_name(command.name + ".pid")
            while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 - a file, not an event
                await asyncio.sleep(0.02)
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
        assert (await session.execute(select(CrawlRun.state))).scalar_one() == "cancelled"

    async def test_an_unknown_source_is_named(
        self, client: httpx.AsyncClient, sign: Any, session: AsyncSession
    ) -> None:
        """422 with the known ones, and no run is made."""
        headers = sign("admin-9", app_metadata={"roles": ["admin"]})
        await ensure_user(session, "admin-9")
        await session.execute(insert(RoleGrant).values(user_id="admin-9", role="admin"))
        await session.commit()
        answer = await client.post("/scraper/trigger", json={"sources": ["nowhere"]}, headers=headers)
        assert answer.status_code == 422
        assert "nowhere" in answer.json()["detail"]
        assert "markedskalenderen" in answer.json()["detail"]
        assert (await session.execute(select(CrawlRun.id))).first() is None

    @pytest.mark.parametrize("body", [{"sources": ["../x"]}, {"limit": 0}, {"sources": "all"}, [], {"sources": [""]}])
    async def test_wrong_wishes_are_refused(self, client: httpx.AsyncClient, admin: dict[str, str], body: Any) -> None:
        """422, and nothing is started."""
        assert (await client.post("/scraper/trigger", headers=admin, json=body)).status_code == 422
        assert (await client.get("/scraper/runs", headers=admin)).json() == []

    def test_a_source_is_never_an_option(self) -> None:
        """Each value follows its flag, as an argument of its own."""
        order = CrawlOrder(uuid.UUID(int=1), ("a", "b"), None)
        assert arguments_of(order)[3:] == ["--source", "a", "--source", "b"]


class TestRecords:
    async def test_list_and_details(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """The contract's keys in their order; the newest first; failed items with one run."""
        for number in range(3):
            run = await begin_run(
                session, uuid.UUID(int=number + 1), trigger=CrawlTrigger.SCHEDULE, sources=["loppemarkeder"]
            )
            await add_failed_item(session, run.id, source="loppemarkeder", reason="no date", snippet="<td>?</td>")
            counts = {"seen": 5, "new": 4, "failed": 1}
            await finish_run(session, run.id, CrawlState.SUCCEEDED, counts=counts)
            await session.commit()
        found = (await client.get("/scraper/runs", params={"limit": 2}, headers=admin)).json()
        assert [record["id"][-1] for record in found] == ["3", "2"]
        keys = ["id", "trigger", "state", "sources", "expected", "done", "counts", "started_at", "finished_at", "error"]
        assert list(found[0]) == keys
        assert found[0]["counts"] == {
            "seen": 5, "new": 4, "changed": 0, "unchanged": 0, "vanished": 0, "skipped": 0, "failed": 1,
        }  # fmt: skip
        details = (await client.get(f"/scraper/runs/{found[0]['id']}", headers=admin)).json()
        assert details["failed_items"] == [
            {"source": "loppemarkeder", "reason": "no date", "url": None, "snippet": "<td>?</td>"}
        ]

    @pytest.mark.parametrize(
        "run_id", ["nonsense", "5b0f4a3e-0000-4000-8000-000000000000", "'%20OR%201=1", "..%2f..%2fetc"]
    )
    async def test_unknown_runs_are_404(self, client: httpx.AsyncClient, admin: dict[str, str], run_id: str) -> None:
        """Whatever is in the place of the id."""
        assert (await client.get(f"/scraper/runs/{run_id}", headers=admin)).status_code == 404
        assert (await client.post(f"/scraper/runs/{run_id}/cancel", headers=admin)).status_code == 404

    async def test_a_run_whose_process_died_elsewhere_is_closed(
        self,
        api_settings: ApiSettings,
        admin: dict[str, str],
        session: AsyncSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As a pod that ran out of memory: nobody triggers anything, and the record says what happened."""
        monkeypatch.setattr(dependencies, "_CLOSE_DEAD_SECONDS", 0.05)
        run = await begin_run(session, uuid.uuid4(), trigger=CrawlTrigger.SCHEDULE, sources=["loppemarkeder"])
        await session.commit()
        app, client = client_of(api_settings, "true")
        async with app.router.lifespan_context(app), client:
            record = await until_finished(client, str(run.id), admin)
        assert (record["state"], "ended without a word" in record["error"]) == ("failed", True)


class TestCancel:
    async def test_a_running_crawl_is_told_to_stop(
        self, api_settings: ApiSettings, admin: dict[str, str], program: Program
    ) -> None:
        """By signal and in the record; cancelling twice is a 409."""
        app, client = client_of(api_settings, program("time.sleep(30)"))
        async with app.router.lifespan_context(app), client:
            run_id = (await client.post("/scraper/trigger", headers=admin)).json()["runId"]
            answer = await client.post(f"/scraper/runs/{run_id}/cancel", headers=admin)
            record = await until_finished(client, run_id, admin)
            again = await client.post(f"/scraper/runs/{run_id}/cancel", headers=admin)
        assert (answer.status_code, record["state"]) == (200, "cancelled")
        assert again.status_code == 409


class ClusterDouble(ThreadingHTTPServer):
    """Speaks as much of the Kubernetes API as the launcher uses, over real HTTP; keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        self.status = 201
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, ClusterDouble)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, orjson.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PATCH = _answer  # noqa: N815 - the names are http.server's

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def cluster() -> Iterator[ClusterDouble]:
    server = ClusterDouble()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class TestClusterLauncher:
    @staticmethod
    def launcher(cluster: ClusterDouble) -> ClusterCrawlLauncher:
        def connect() -> Any:
            configuration = kubernetes_client.Configuration()
            configuration.host = f"http://127.0.0.1:{cluster.server_address[1]}"
            configuration.retries = False
            return kubernetes_client.CustomObjectsApi(kubernetes_client.ApiClient(configuration))

        return ClusterCrawlLauncher(stack="festival", namespace="markets", connect=connect)

    async def test_it_creates_a_crawl(self, cluster: ClusterDouble) -> None:
        """Named after the run, in the stack's namespace; a second call finds its own resource."""
        order = CrawlOrder(uuid.UUID(int=7), ("loppemarkeder",), 10)
        launcher = self.launcher(cluster)
        await launcher.launch(order)
        cluster.status = 409
        await launcher.launch(order)
        method, path, resource = cluster.seen[0]
        assert (method, path) == ("POST", "/apis/loppestars.dev/v1alpha1/namespaces/markets/crawls")
        assert resource["metadata"]["name"] == "crawl-00000000-0000-0000-0000-000000000007"
        assert resource["spec"] == {
            "stackRef": {"name": "festival"},
            "runId": "00000000-0000-0000-0000-000000000007",
            "sources": ["loppemarkeder"],
            "limit": 10,
        }

    async def test_it_cancels_by_patching_the_spec(self, cluster: ClusterDouble) -> None:
        """And a Crawl that is gone needs no cancelling."""
        for status in (200, 404, 500):
            cluster.status = status
            await self.launcher(cluster).cancel(uuid.UUID(int=7))
        method, path, patch = cluster.seen[0]
        assert (method, path.rpartition("/")[2]) == ("PATCH", "crawl-00000000-0000-0000-0000-000000000007")
        assert patch == {"spec": {"cancel": True}}

    @pytest.mark.parametrize("status", [403, 500])
    async def test_a_refusal_is_a_failed_launch(self, cluster: ClusterDouble, status: int) -> None:
        """The API answers 503, and the record says why."""
        cluster.status = status
        with pytest.raises(LaunchFailed, match="refused"):
            await self.launcher(cluster).launch(CrawlOrder(uuid.UUID(int=7)))

    async def test_without_a_cluster(self) -> None:
        """Outside a pod there is no service account: a failed launch, not a fault."""
        with pytest.raises(LaunchFailed):
            await ClusterCrawlLauncher(stack="festival").launch(CrawlOrder(uuid.UUID(int=7)))
