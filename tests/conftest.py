"""Fixtures that every component's tests share: a real PostgreSQL and fresh migrated databases on it."""

import logging
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import hypothesis
import psycopg
import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.database.migrate import migrate, migration_engine
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_local.postgres import OWNER, EmbeddedPostgres

# Where a failure would hold up everybody, the examples are the same each time; developers get new ones.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("developer", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "developer")

SHARED_IMAGES = Path(__file__).resolve().parents[2] / "shared" / "images"
TEMPLATE = "loppestars_template"
LONG_FILES: Final = (
    "api/test_contract.py",
    "local/test_run.py",
    "contract/test_regular_expressions.py",
    "crawler/crawl/test_run.py",
    "crawler/crawl/test_ill_sites.py",
    "imaging/engine/test_pool.py",
    "api/photos/test_formats.py",
    "local/test_other_systems.py",
)
"""Few tests that take long: begun last, one worker would still be at them when the others have nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first."""
    rank = {Path(__file__).parent / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True)
def _logs_stay_with_their_test() -> Iterator[None]:
    """A test that runs a command configures logging for its own captured output; the next test starts anew."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    _log_plainly()
    structlog.contextvars.clear_contextvars()


def _log_plainly() -> None:
    """Log as structlog does by default, without the local variables of each frame: they take it half a minute."""
    structlog.reset_defaults()
    *processors, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, renderer])


_log_plainly()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole session, with a migrated template database."""
    # Not below pytest's own folder: every run of pytest makes that private again, and the server may be another user.
    directory = tempfile.TemporaryDirectory(prefix="loppestars-test-")
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    server = EmbeddedPostgres(Path(directory.name) / "data", settings)
    server.start()
    try:
        server.ensure_database(TEMPLATE)
        engine = migration_engine(server.owner_url(TEMPLATE))
        with engine.connect() as connection:
            migrate(connection)
        engine.dispose()
        yield server
    finally:
        server.stop()
        directory.cleanup()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh, migrated database that is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER} STRATEGY file_copy")  # type: ignore[call-overload]
    yield postgres.owner_url(name)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def database_settings(database_url: str) -> DatabaseSettings:
    return DatabaseSettings(database_url=SecretStr(database_url))


@pytest.fixture
async def engine(database_settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """An engine on the test's own database."""
    engine = create_engine(database_settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """A session on the test's own database; the test commits where it needs to."""
    async with sessions(engine)() as session:
        yield session


@pytest.fixture(scope="session")
def shared_images() -> Path:
    """The folder of public test photos, where it is present."""
    if not SHARED_IMAGES.is_dir():
        pytest.skip("the folder ../shared/images with public test photos is not here")
    return SHARED_IMAGES
