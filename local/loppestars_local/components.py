"""Which programs make up the platform on one machine, and with which settings. Nothing here starts anything."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loppestars_local.openid.provider import CLIENT_ID
from loppestars_local.ports import LOOPBACK
from loppestars_local.tokens import anon_key

# Whoever pressed Ctrl-C waits: enough for answers that are nearly there, not for a photo that has just begun (its job
# is taken up again by the next run).
_DRAIN_SECONDS: Final = "1"
# Where the released app is called back.
_APP_REDIRECT: Final = "loppestars://auth/callback"
_VARIABLES_FOR_OTHERS: Final = (
    "DATABASE_URL",
    "STORAGE_DIR",
    "SIGNING_SECRET",
    "PUBLIC_URL",
    "MARKEDSKALENDEREN_URL",
    "LOPPEMARKEDER_URL",
    "CRAWL_DELAY_SECONDS",
)


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. `finite` ones are expected to end by themselves."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    finite: bool = False


@dataclass(frozen=True, slots=True)
class Addresses:
    """Ports on loopback. `sample_site` is None when the real sites are crawled."""

    api: int
    api_metrics: int
    imaging_metrics: int
    crawler_metrics: int
    jobs_metrics: int
    openid: int
    sample_site: int | None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.api}"

    @property
    def openid_url(self) -> str:
        return f"http://{LOOPBACK}:{self.openid}"

    @property
    def callback_url(self) -> str:
        """Where a provider sends people back to."""
        return f"{self.url}/auth/v1/callback"

    @property
    def sample_site_url(self) -> str | None:
        return None if self.sample_site is None else f"http://{LOOPBACK}:{self.sample_site}"

    @property
    def metrics_urls(self) -> dict[str, str]:
        ports = {"api": self.api_metrics, "imaging": self.imaging_metrics, "jobs": self.jobs_metrics}
        return {name: f"http://{LOOPBACK}:{port}/metrics" for name, port in ports.items()}


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys of this data folder: `jwt` and `signing` for tokens and links, the others for signing in."""

    jwt: str
    signing: str
    sessions: str
    token_key: str
    openid: str


class Platform:
    """The commands of one run.

    Args:
        inherited: the environment of `make run`; what the user sets there reaches every component.
        addresses: where things listen.
        secrets: keys for tokens and signed links.
        database_url: the embedded PostgreSQL or the user's own.
        storage_folder: where files are kept; None with an S3 server.
        imaging_processes: photos worked on at the same time.
    """

    def __init__(  # noqa: PLR0913 - what a run consists of
        self,
        *,
        inherited: Mapping[str, str],
        addresses: Addresses,
        secrets: Secrets,
        database_url: str,
        storage_folder: Path | None,
        imaging_processes: int = 1,
    ) -> None:
        self.addresses = addresses
        self.database_url = database_url
        self._imaging_processes = imaging_processes
        self._shared = {
            **inherited,
            "DATABASE_URL": database_url,
            "PUBLIC_URL": addresses.url,
            "METRICS_HOST": LOOPBACK,
            "DRAIN_SECONDS": inherited.get("DRAIN_SECONDS") or _DRAIN_SECONDS,
            # Output goes to files: without this Python would keep the last lines to itself.
            "PYTHONUNBUFFERED": "1",
            # Compiled modules are kept, also for who does not want them elsewhere: a start takes a third of the time.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        if storage_folder is not None:
            self._shared |= {"STORAGE_DIR": str(storage_folder), "SIGNING_SECRET": secrets.signing}
        if (site := addresses.sample_site_url) is not None:
            # The sample site is ours and on this machine: nothing needs to be spared.
            self._shared |= {"MARKEDSKALENDEREN_URL": site, "LOPPEMARKEDER_URL": site, "CRAWL_DELAY_SECONDS": "0"}
        self._secrets = secrets
        self.anon_key = anon_key(secrets.jwt)

    @property
    def environment_for_others(self) -> dict[str, str]:
        """The variables by which a program that is started by hand works on this platform."""
        return {name: self._shared[name] for name in _VARIABLES_FOR_OTHERS if name in self._shared}

    def migrate(self) -> Command:
        return self._command("migrate", ["loppestars-migrate"], finite=True)

    def api(self) -> Command:
        return self._command(
            "api",
            ["loppestars-api"],
            HOST=LOOPBACK,
            PORT=str(self.addresses.api),
            METRICS_PORT=str(self.addresses.api_metrics),
            JWT_SECRET=self._secrets.jwt,
            ANON_KEYS=self.anon_key,
            finite=False,
            **self._sign_in(),
            CRAWL_LAUNCHER="local",
            CRAWL_COMMAND=program("loppestars-crawler"),
        )

    def _sign_in(self) -> dict[str, str]:
        """Return how people sign in: the provider of this machine unless the user has set another."""
        names = ("AUTH_GOOGLE_CLIENT_ID", "AUTH_FACEBOOK_CLIENT_ID", "AUTH_APPLE_CLIENT_ID", "AUTH_OIDC_CLIENT_ID")
        keys = {"AUTH_SIGNING_KEYS": self._secrets.token_key, "AUTH_SESSION_SECRETS": self._secrets.sessions}
        addresses = {"AUTH_REDIRECTS": f"{_APP_REDIRECT},{self.addresses.url}/"}
        found = {name: self._shared.get(name) or value for name, value in {**keys, **addresses}.items()}
        if any(self._shared.get(name) for name in names):
            return found
        for name in ("GOOGLE", "FACEBOOK"):
            found[f"AUTH_{name}_CLIENT_ID"] = CLIENT_ID
            found[f"AUTH_{name}_CLIENT_SECRET"] = self._secrets.openid
            found[f"AUTH_{name}_ISSUER"] = self.addresses.openid_url
        return found

    def openid(self) -> Command:
        variables = {
            "OPENID_PORT": str(self.addresses.openid),
            "OPENID_SECRET": self._secrets.openid,
            "OPENID_REDIRECT": self.addresses.callback_url,
        }
        return Command("openid", (sys.executable, "-m", "loppestars_local.openid"), {**self._shared, **variables})

    def imaging(self) -> Command:
        return self._command(
            "imaging",
            ["loppestars-imaging", "work", "--processes", str(self._imaging_processes)],
            METRICS_PORT=str(self.addresses.imaging_metrics),
        )

    def jobs(self) -> Command:
        return self._command("jobs", ["loppestars-jobs", "work"], METRICS_PORT=str(self.addresses.jobs_metrics))

    def sweep(self) -> Command:
        return self._command("sweep", ["loppestars-imaging", "sweep"], finite=True, METRICS_PORT="0")

    def sample_site(self) -> Command:
        return self._command("sample-site", ["loppestars-sample-site", "--port", str(self.addresses.sample_site)])

    def crawl(self) -> Command:
        return self._command(
            "crawl",
            ["loppestars-crawler", "crawl"],
            finite=True,
            METRICS_PORT=str(self.addresses.crawler_metrics),
        )

    def _command(self, name: str, words: list[str], *, finite: bool = False, **variables: str) -> Command:
        return Command(name, (program(words[0]), *words[1:]), {**self._shared, **variables}, finite)


def program(name: str) -> str:
    """Return the command of this very environment, whatever PATH says."""
    return str(Path(sys.executable).parent / name)
