"""The running platform: what is started in which order, watched, and stopped in which order."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.processes import Child, adopt_orphans, end_orphans, stop_all
from loppestars_local.components import Addresses, Command, Platform, Secrets
from loppestars_local.console import Progress, explain_platform, say
from loppestars_local.data_folder import DataFolder, RunningPlatform
from loppestars_local.database_state import crawl_progress, people_are_prepared, schema_is_current
from loppestars_local.ports import answers, free_ports
from loppestars_local.postgres import EmbeddedPostgres
from loppestars_local.settings import RunSettings
from loppestars_local.tokens import ADMIN, access_token

DATABASE: Final = "loppestars"
_READY_SECONDS: Final = 60
_SWEEP_INTERVAL_SECONDS: Final = 300
# How often a crawl's counts are shown: a terminal replaces the line, a file gets another one.
_PROGRESS_SECONDS: Final = 0.5
_PROGRESS_SECONDS_IN_FILES: Final = 5
# What is never reached unless something hangs: a crawl notes its end, the API drains and ends its own crawls.
_STOP_SECONDS: Final = 10
_STOP_SECONDS_WITHOUT_DATABASE: Final = 2
_POLL_SECONDS: Final = 0.05
# A photo with faces to try; only in a checkout.
_PHOTO: Final = Path(__file__).parents[2] / "tests" / "imaging" / "photos" / "city.jpg"
# Crawls end first; then the API answers those who still wait for imaging; the database outlives them all.
_STOPPED_FIRST: Final = frozenset({"crawl", "sweep", "migrate"})


class ComponentDied(RuntimeError):
    """A component ended although it should run on; `exit_code` becomes ours."""

    def __init__(self, name: str, exit_code: int, log_tail: str) -> None:
        super().__init__(f"{name} ended with exit code {exit_code}. Its last lines:\n{log_tail or '(none)'}")
        self.exit_code = exit_code or ExitCode.FAILED


class Machine:
    """The running platform: the database first, then everything else; stopped in the opposite order.

    `pause` waits for so many seconds, and raises when a signal asked to stop: nowhere else is the run interrupted, so
    whatever has been started is known to `stop`.
    """

    def __init__(self, settings: RunSettings, folder: DataFolder, pause: Callable[[float], None]) -> None:
        self._settings = settings
        self._folder = folder
        self._pause = pause
        self._progress = Progress()
        self._database: EmbeddedPostgres | None = None
        self._running: list[tuple[Command, Child]] = []
        self._next_sweep = time.monotonic() + _SWEEP_INTERVAL_SECONDS
        self._next_progress = 0.0

    def start(self) -> None:
        """Start everything and announce it; with an empty database the sample site is crawled before that."""
        self._pause(0)
        adopt_orphans()
        self._platform = platform = self._choose_platform()
        if platform.addresses.sample_site is not None:
            self._start(platform.sample_site())
        self._migrate()
        markets = crawl_progress(platform.database_url).markets
        for command in (platform.openid(), platform.api(), platform.imaging()):
            self._progress.show(command.name, "starting …")
            self._start(command)
        if not people_are_prepared(platform.database_url):
            from loppestars_local.users import prepare_people  # noqa: PLC0415 - its libraries take half a second

            asyncio.run(prepare_people(platform.database_url))
        if (site := platform.addresses.sample_site_url) is not None:
            self._wait_for(f"{site}/robots.txt", "sample-site")
        crawl = self._start(platform.crawl()) if not markets else None
        self._wait_for(f"{platform.addresses.openid_url}/.well-known/openid-configuration", "openid")
        self._wait_for(f"{platform.addresses.url}/ready", "api")
        self._wait_for(platform.addresses.metrics_urls["imaging"].replace("/metrics", "/ready"), "imaging")
        # Periodic work takes no time from what somebody waits for.
        self._progress.show("jobs", "starting; nothing waits for it")
        self._start(platform.jobs())
        if crawl is not None and platform.addresses.sample_site is not None:
            self._wait_for_crawl(crawl)
        self._progress.close()
        self._announce()
        explain_platform(platform.addresses, self._folder, _shown(Path(sys.argv[0])), _shown(_PHOTO))
        if crawl is None:
            self._start(platform.crawl())
        elif crawl.exit_code is None:
            say("The first crawl of the real sites takes some minutes; markets appear as they are read.")

    def watch(self) -> None:
        """Return never: raise `ComponentDied`, or what `pause` raises."""
        while True:
            self._check()
            if time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + _SWEEP_INTERVAL_SECONDS
                self._start(self._platform.sweep())
            self._pause(_POLL_SECONDS)

    def stop(self) -> None:
        """Crawls first, the database last, so that everything can still write what it has to."""
        self._progress.close()
        database = self._database.child if self._database is not None else None
        seconds = _STOP_SECONDS
        if database is not None and database.exit_code is not None:
            seconds = _STOP_SECONDS_WITHOUT_DATABASE  # nothing can be written any more
        stop_all([child for command, child in self._running if command.name in _STOPPED_FIRST], seconds)
        stop_all([child for command, child in self._running if command.name not in _STOPPED_FIRST], seconds)
        # A crawl that the API has started outlives an API that is killed.
        end_orphans({database.pid} if database is not None else set(), seconds)
        if self._database is not None:
            self._database.stop()

    def _choose_platform(self) -> Platform:
        free = free_ports(6)
        addresses = Addresses(
            api=self._settings.port,
            api_metrics=free[0],
            imaging_metrics=free[1],
            crawler_metrics=free[2],
            jobs_metrics=free[3],
            openid=free[4],
            sample_site=free[5] if self._settings.sources == "sample" else None,
        )
        return Platform(
            inherited=os.environ,
            addresses=addresses,
            secrets=Secrets(
                jwt=self._folder.key("jwt"),
                signing=self._folder.key("signing"),
                sessions=self._folder.key("sessions"),
                token_key=self._folder.token_key(),
                openid=self._folder.key("openid"),
            ),
            database_url=self._start_database(),
            storage_folder=None if self._settings.s3_endpoint_url else self._folder.storage,
            imaging_processes=self._settings.imaging_processes,
        )

    def _start_database(self) -> str:
        if self._settings.database_url is not None:
            self._progress.show("postgresql", "the one of DATABASE_URL")
            return self._settings.database_url.get_secret_value()
        self._progress.show("postgresql", "starting …")
        self._database = EmbeddedPostgres(self._folder.path / "postgres", pause=self._pause)
        self._database.start()
        self._database.ensure_database(DATABASE)
        self._progress.show("postgresql", "ready")
        return self._database.owner_url(DATABASE)

    def _start(self, command: Command) -> Child:
        log = self._folder.logs / f"{command.name}.log"
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        child = Child(command.name, command.arguments, log, environment=command.environment)
        self._running.append((command, child))
        return child

    def _migrate(self) -> None:
        if schema_is_current(self._platform.database_url):
            self._progress.show("migrate", "nothing to do")
            return
        self._progress.show("migrate", "bringing the database to this release …")
        child = self._start(self._platform.migrate())
        while child.exit_code is None:
            self._check()
            self._pause(_POLL_SECONDS)
        if child.exit_code:
            raise ComponentDied(child.name, child.exit_code, child.log_tail())
        self._progress.show("migrate", "done")

    def _announce(self) -> None:
        pids = {command.name: child.pid for command, child in self._running if child.exit_code is None}
        if self._database is not None and self._database.child is not None:
            pids["postgresql"] = self._database.child.pid
        key = self._folder.key("jwt")
        self._folder.announce(
            RunningPlatform(
                url=self._platform.addresses.url,
                metrics_urls=self._platform.addresses.metrics_urls,
                admin_token=access_token(key, ADMIN),
                anon_key=self._platform.anon_key,
                database_url=self._platform.database_url,
                pids={"run": os.getpid(), **pids},
                environment=self._platform.environment_for_others,
            )
        )

    def _check(self) -> None:
        database = self._database.child if self._database is not None else None
        if database is not None and (code := database.exit_code) is not None:
            raise ComponentDied(database.name, code, database.log_tail())
        for command, child in list(self._running):
            if (code := child.exit_code) is None:
                continue
            if not command.finite:
                raise ComponentDied(command.name, code, child.log_tail())
            self._running.remove((command, child))
            self._note_end(command, code, child)

    def _note_end(self, command: Command, code: int, child: Child) -> None:
        """Report what has ended by itself; the platform serves on."""
        announced = self._folder.run_file.exists()
        if command.name == "crawl" and not code:
            markets = crawl_progress(self._platform.database_url).markets
            report = self._progress.note if announced else self._progress.show
            report("crawl", f"done: {markets} markets")
        elif code and command.name != "migrate":
            say(f"{command.name} ended with exit code {code}; see {child.log}")
        if announced:
            self._announce()

    def _wait_for(self, url: str, name: str) -> None:
        self._progress.show(name, "starting …")
        deadline = time.monotonic() + _READY_SECONDS
        while not answers(url):
            if time.monotonic() > deadline:
                raise ComponentDied(name, ExitCode.FAILED, f"it was not ready within {_READY_SECONDS} s ({url})")
            self._check()
            self._pause(_POLL_SECONDS)
        self._progress.show(name, "ready")

    def _wait_for_crawl(self, crawl: Child) -> None:
        """Show how far the first crawl is until it has ended: before it there is nothing to see."""
        while crawl.exit_code is None:
            if time.monotonic() >= self._next_progress:
                seconds = _PROGRESS_SECONDS if sys.stdout.isatty() else _PROGRESS_SECONDS_IN_FILES
                self._next_progress = time.monotonic() + seconds
                self._progress.show("crawl", crawl_progress(self._platform.database_url).text)
            self._check()
            self._pause(_POLL_SECONDS)
        self._check()


def _shown(path: Path) -> str:
    """Return a path as it can be pasted into a shell in the folder where the run was started."""
    if not path.exists():
        return path.name
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
