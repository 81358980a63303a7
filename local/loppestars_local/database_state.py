"""What the database of this run says, asked without the libraries that components take a second to import."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from loppestars_core.sign_in.providers import FACEBOOK, GOOGLE
from loppestars_local.tokens import ADMIN

_CONNECT_SECONDS: Final = 2
_REVISION: Final = re.compile(r"^(revision|down_revision)\b.*?=\s*[\"'](\w+)[\"']", re.MULTILINE)
# Two people at two providers.
_PREPARED: Final = """
SELECT FROM role_grants WHERE user_id = %s AND role = 'admin' AND revoked_at IS NULL AND 4 =
  (SELECT count(*) FROM identities WHERE issuer = ANY(%s) AND subject IN ('admin', 'organiser'))
"""


@dataclass(frozen=True, slots=True)
class CrawlProgress:
    """Counts of the newest run, and of all markets."""

    done: int
    expected: int | None
    markets: int

    @property
    def text(self) -> str:
        """What is shown while the crawl runs."""
        of = f" of {self.expected}" if self.expected else ""
        return f"{self.done}{of} markets read" if self.done else "looking at the market sites"


def crawl_progress(database_url: str) -> CrawlProgress:
    """Read the counts; zeros while the database is away."""
    try:
        with psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS) as connection:
            run = connection.execute(
                "SELECT done, expected FROM crawl_runs WHERE state <> 'pending' ORDER BY created_at DESC LIMIT 1"
            ).fetchone() or (0, None)
            markets = connection.execute("SELECT count(*) FROM markets").fetchone() or (0,)
    except psycopg.Error:
        return CrawlProgress(0, None, 0)
    return CrawlProgress(int(run[0]), run[1], int(markets[0]))


def schema_is_current(database_url: str) -> bool:
    """Return whether the newest migration of this release is applied, so that nothing is left to migrate."""
    try:
        with psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.Error:
        return False
    return found is not None and {found[0]} == _heads()


def people_are_prepared(database_url: str) -> bool:
    """Return whether the admin of this machine holds the role, and its provider's people are known."""
    try:
        with psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS) as connection:
            return connection.execute(_PREPARED, (ADMIN, [GOOGLE, FACEBOOK])).fetchone() is not None
    except psycopg.Error:
        return False


def _heads() -> set[str]:
    """Return the revisions that no other one follows."""
    package = importlib.util.find_spec("loppestars_core.database")
    if package is None or package.origin is None:
        return set()
    revisions, followed = set[str](), set[str]()
    for path in (Path(package.origin).parent / "migrations" / "versions").glob("*.py"):
        for kind, name in _REVISION.findall(path.read_text(encoding="utf-8")):
            (revisions if kind == "revision" else followed).add(name)
    return revisions - followed
