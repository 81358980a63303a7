"""`loppestars-privacy`: a person's copy of their data, and their erasure, on the command line."""

import asyncio
import sys
import zipfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.cli import epilog, fail, program, run
from loppestars_core.kit.logging import redact_text
from loppestars_core.kit.settings import describe, load_settings
from loppestars_core.privacy import erasure, requests
from loppestars_core.privacy.archive import archive_person
from loppestars_core.privacy.export import UserNotFound, check_person
from loppestars_core.storage import Storage, StorageError, open_storage
from loppestars_core.tables import Base
from loppestars_jobs.settings import JobsSettings

Result = TypeVar("Result")
Work = Callable[[JobsSettings, AsyncEngine, Storage], Awaitable[Result]]
User = Annotated[str, typer.Argument(help="id of the user: the subject of their tokens")]
Archive = Annotated[Path | None, typer.Option("--output", "-o", help="the archive to write; by default USER.zip")]

app: Final = program(
    "loppestars-privacy",
    "Give a person a copy of their data, or forget them. Both are written to the audit log.",
    local=True,
    epilog=epilog(
        describe(JobsSettings),
        examples=[
            "loppestars-privacy export 6f9619ff -o copy.zip",
            "loppestars-privacy erase 6f9619ff           after the time of grace (ERASURE_GRACE_DAYS)",
            "loppestars-privacy erase 6f9619ff --now",
            "loppestars-privacy hold 6f9619ff            nothing is erased until `release`",
        ],
    ),
)


@app.command()
def export(user: User, *, output: Archive = None) -> None:
    """Write everything that is stored of a user, rows and photos, to an archive."""
    target = output or Path(f"{user.replace('/', '_')}.zip")

    async def work(settings: JobsSettings, engine: AsyncEngine, storage: Storage) -> int:
        buckets = (settings.originals_bucket, settings.processed_bucket)
        async with sessions(engine).begin() as session:
            await check_person(session, user, actor_id=None)
        with target.open("wb") as file:
            async for chunk in archive_person(engine, Base.metadata.tables, storage, buckets, user):
                file.write(chunk)
        with zipfile.ZipFile(target) as archive:
            return sum(not name.endswith(".json") for name in archive.namelist())

    photos = _run(work)
    sys.stdout.write(f"{target}: everything of {user}, {photos} files of photos\n")


@app.command()
def erase(
    user: User,
    *,
    now: Annotated[bool, typer.Option("--now", help="without the time of grace")] = False,
) -> None:
    """Withdraw a user's photos, end their sessions, and forget them after the time of grace."""

    async def work(settings: JobsSettings, engine: AsyncEngine, storage: Storage) -> str:
        async with sessions(engine).begin() as session:
            asked_at = await requests.request_erasure(session, user, actor_id=None)
        if not now:
            return f"{user} will be forgotten on {asked_at + timedelta(days=settings.erasure_grace_days):%Y-%m-%d}"
        erased = await erase_now(settings, engine, storage, user)
        rows = ", ".join(f"{count} of {name}" for name, count in sorted(erased.rows.items()))
        return f"{user} is forgotten: {erased.objects} files, rows: {rows}"

    sys.stdout.write(_run(work) + "\n")


@app.command()
def cancel(user: User) -> None:
    """Take a request for erasure back, within the time of grace."""

    async def work(_settings: JobsSettings, engine: AsyncEngine, _storage: Storage) -> bool:
        async with sessions(engine).begin() as session:
            return await requests.cancel_erasure(session, user, actor_id=None)

    sys.stdout.write(f"{user} {'stays' if _run(work) else 'was not to be forgotten'}\n")


@app.command()
def hold(user: User) -> None:
    """Put a user's data on legal hold: nothing of it is erased."""
    _set_hold(user, hold=True)
    sys.stdout.write(f"{user} is on legal hold\n")


@app.command()
def release(user: User) -> None:
    """End a legal hold."""
    _set_hold(user, hold=False)
    sys.stdout.write(f"{user} is not on legal hold\n")


async def erase_now(settings: JobsSettings, engine: AsyncEngine, storage: Storage, user: str) -> erasure.Erased:
    """Erase a user from the database and both buckets."""
    buckets = (settings.originals_bucket, settings.processed_bucket)
    return await erasure.erase_person(engine, Base.metadata.tables, storage, buckets, user, actor_id=None)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 when it was done, 1 when it could not be."""
    run(app, arguments)


def _set_hold(user: str, *, hold: bool) -> None:
    async def work(_settings: JobsSettings, engine: AsyncEngine, _storage: Storage) -> None:
        async with sessions(engine).begin() as session:
            await requests.set_legal_hold(session, user, hold=hold, actor_id=None)

    _run(work)


def _run(work: Work[Result]) -> Result:
    settings = load_settings(JobsSettings)

    async def carry_out() -> Result:
        engine = create_engine(settings, application="loppestars-privacy")
        try:
            return await work(settings, engine, open_storage(settings))
        finally:
            await engine.dispose()

    try:
        return asyncio.run(carry_out())
    except (UserNotFound, erasure.OnLegalHold, erasure.PhotoInProgress) as error:
        fail(str(error))
    except (DBAPIError, StorageError, OSError) as error:
        fail(f"it could not be done: {redact_text(str(error))}")
