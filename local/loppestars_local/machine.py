"""The running platform: what is started in which order, watched, and stopped in which order."""

import asyncio
import os
import time
from collections.abc import Callable

import jwt
from pydantic import SecretStr

from loppestars_core.accounts.models import Role
from loppestars_core.accounts.roles import grant_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_local.components import Addresses, Platform, Secrets
from loppestars_local.console import explain_platform, say
from loppestars_local.data_folder import DataFolder, RunningPlatform
from loppestars_local.ports import LOOPBACK, answers, free_ports
from loppestars_local.postgres import EmbeddedPostgres
from loppestars_local.processes import Child, Command, adopt_orphans, end_orphans
from loppestars_local.settings import RunSettings

ADMIN = "local-admin"
TOKEN_DAYS = 30
_READY_SECONDS = 60
# The first crawl of the sample site takes a few seconds, and then there is something to see. When the start has taken
# this long, it goes on in the background.
_START_BUDGET_SECONDS = 11
_SWEEP_EVERY_SECONDS = 300
# The API drains, and then gives its crawls 10 s to end and as many to be ended.
_STOP_SECONDS = 30
_ORPHAN_STOP_SECONDS = 10
_POLL_SECONDS = 0.1
# Crawls end first, then the API answers who still waits for imaging; the database outlives them all.
_STOP_ORDER = ("crawl", "sweep", "migrate", "api", "imaging", "sample-site")


class ComponentDied(RuntimeError):
    """A component ended although it should run on; `exit_code` becomes ours."""

    def __init__(self, name: str, exit_code: int, log_tail: str) -> None:
        super().__init__(f"{name} ended with exit code {exit_code}. Its last lines:\n{log_tail or '(none)'}")
        self.exit_code = exit_code or ExitCode.FAILED


class Machine:
    """The running platform: the database first, then everything else; stopped in the opposite order.

    `pause` waits for so many seconds, and raises when somebody asked to stop: nowhere else is the run interrupted, so
    whatever has been started is known to `stop`.
    """

    def __init__(self, settings: RunSettings, folder: DataFolder, pause: Callable[[float], None]) -> None:
        self._settings = settings
        self._folder = folder
        self._pause = pause
        self._database: EmbeddedPostgres | None = None
        self._children: list[Child] = []
        self._started_at = time.monotonic()
        self._next_sweep = self._started_at + _SWEEP_EVERY_SECONDS

    def start(self) -> None:
        self._pause(0)
        adopt_orphans()
        platform = Platform(
            inherited=os.environ,
            addresses=self._choose_ports(),
            secrets=Secrets(jwt=self._folder.key("jwt"), signing=self._folder.key("signing")),
            database_url=self._start_database(),
            storage_folder=None if self._settings.s3_endpoint_url else self._folder.path / "storage",
            imaging_processes=self._settings.imaging_processes,
        )
        self._platform = platform
        if platform.addresses.sample_site is not None:
            self._start(platform.sample_site())
        self._run_to_end(platform.migrate())
        token = self._make_admin(platform)
        self._start(platform.api())
        self._start(platform.imaging())
        if platform.addresses.sample_site is not None:
            self._wait_for(f"http://{LOOPBACK}:{platform.addresses.sample_site}/robots.txt", "the sample site")
        crawl = self._start(platform.crawl())
        self._wait_for(f"{platform.addresses.url}/ready", "the API")
        ready = platform.addresses.metrics_urls["imaging"].replace("/metrics", "/ready")
        self._wait_for(ready, "imaging")
        self._wait_for_crawl(crawl)
        pids = {child.command.name: child.process.pid for child in self._children if child.exit_code is None}
        if self._database is not None and self._database.process is not None:
            pids["postgresql"] = self._database.process.pid
        self._folder.announce(
            RunningPlatform(
                platform.addresses.url, platform.addresses.metrics_urls, token, {"run": os.getpid(), **pids}
            )
        )
        explain_platform(platform.addresses, self._folder, token, TOKEN_DAYS)

    def watch(self) -> None:
        """Return never: raise `ComponentDied`, or what `pause` raises."""
        while True:
            self._check()
            if time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + _SWEEP_EVERY_SECONDS
                self._start(self._platform.sweep())
            self._pause(_POLL_SECONDS)

    def stop(self) -> None:
        """Crawls first, the database last, so that everything can still write what it has to."""
        for child in sorted(self._children, key=lambda child: _STOP_ORDER.index(child.command.name)):
            child.stop(_STOP_SECONDS)
        # A crawl that the API has started outlives an API that is killed.
        database = self._database.process if self._database is not None else None
        end_orphans({database.pid} if database is not None else set(), _ORPHAN_STOP_SECONDS)
        if self._database is not None:
            self._database.stop()

    def _start_database(self) -> str:
        if self._settings.database_url is not None:
            say("Using the PostgreSQL of DATABASE_URL.")
            return self._settings.database_url.get_secret_value()
        say("Starting PostgreSQL …")
        self._database = EmbeddedPostgres(self._folder.path / "postgres", pause=self._pause)
        self._database.start()
        self._database.ensure_database("loppestars")
        return self._database.url("loppestars")

    def _start(self, command: Command) -> Child:
        child = Child(command, self._folder.path / "logs" / f"{command.name}.log")
        child.start()
        self._children.append(child)
        return child

    def _run_to_end(self, command: Command) -> None:
        say(f"Running {command.name} …")
        child = self._start(command)
        while child.exit_code is None:
            self._check()
            self._pause(_POLL_SECONDS)
        if child.exit_code:
            raise ComponentDied(command.name, child.exit_code, child.log_tail())

    def _check(self) -> None:
        database = self._database
        if database is not None and database.process is not None and (code := database.process.poll()) is not None:
            raise ComponentDied("postgresql", code if code >= 0 else 128 - code, database.log_tail())
        for child in list(self._children):
            code = child.exit_code
            if code is None:
                continue
            if not child.command.finite:
                raise ComponentDied(child.command.name, code, child.log_tail())
            self._children.remove(child)
            if code and child.command.name != "migrate":
                # A finite command that failed is reported; the platform serves on.
                say(f"{child.command.name} ended with exit code {code}; see {child.log}")

    def _wait_for(self, url: str, what: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            self._check()
            if answers(url):
                return
            self._pause(_POLL_SECONDS)
        raise ComponentDied(what, ExitCode.FAILED, f"it did not become ready within {_READY_SECONDS} s ({url})")

    def _wait_for_crawl(self, crawl: Child) -> None:
        while crawl.exit_code is None and time.monotonic() < self._started_at + _START_BUDGET_SECONDS:
            self._check()
            self._pause(_POLL_SECONDS)

    def _choose_ports(self) -> Addresses:
        free = free_ports(4)
        return Addresses(
            api=self._settings.port,
            api_metrics=free[0],
            imaging_metrics=free[1],
            crawler_metrics=free[2],
            sample_site=free[3] if self._settings.sources == "sample" else None,
        )

    def _make_admin(self, platform: Platform) -> str:
        """An admin for this machine, and a token of theirs."""
        url = platform.migrate().environment["DATABASE_URL"]
        asyncio.run(_grant_admin(DatabaseSettings(database_url=SecretStr(url))))
        now = int(time.time())
        claims = {"sub": ADMIN, "iat": now, "exp": now + TOKEN_DAYS * 86400, "iss": "loppestars-local"}
        return jwt.encode(claims, self._folder.key("jwt"), algorithm="HS256")


async def _grant_admin(settings: DatabaseSettings) -> None:
    engine = create_engine(settings, application="loppestars-local")
    async with sessions(engine).begin() as session:
        await ensure_user(session, ADMIN)
        await grant_role(session, ADMIN, Role.ADMIN, granted_by=None, notes="the admin of this machine")
    await engine.dispose()
