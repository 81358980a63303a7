"""`loppestars-import`: take over what people left in an earlier backend."""

import asyncio
from typing import Annotated, Final

import psycopg
import typer
from sqlalchemy.exc import DBAPIError

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.cli import Json, Local, epilog, fail, program, run, show
from loppestars_core.kit.logging import redact_text
from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings, StorageSettings, describe, load_settings
from loppestars_core.storage import StorageError, open_storage
from loppestars_jobs.importing.photos import OldPhotos, PhotoImport
from loppestars_jobs.importing.rows import RowImport
from loppestars_jobs.importing.source import NotASource, Source, open_source


class ImportSettings(StorageSettings, DatabaseSettings, ComponentSettings):
    """`loppestars-import` writes people's rows and photos: it needs the URL of the tables' owner, or of the API."""


app: Final = program(
    "loppestars-import",
    "Take over users, identities, roles, ratings, events and photos. Once more changes nothing.",
    epilog=epilog(
        describe(ImportSettings),
        examples=[
            "loppestars-import supabase dump.sql.gz --dry-run     what would be written",
            "loppestars-import supabase dump.sql.gz --photos buckets/",
            "loppestars-import supabase postgresql://postgres:…@db.….supabase.co:5432/postgres \\",
            "    --photos https://….supabase.co/storage/v1/object/public",
        ],
        notes="Photos go through the blur before anyone sees them: imaging must run. A second run finishes what the\n"
        "first one did not wait for.",
    ),
)


@app.command()
def supabase(  # noqa: PLR0913 - one argument per option
    source: Annotated[str, typer.Argument(help="PostgreSQL URL, plain dump (also .gz), or folder of CSV files")],
    *,
    photos: Annotated[str, typer.Option(help="folder or public address of the old buckets; without it none")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="report what would be written, and write nothing")] = False,
    wait: Annotated[float, typer.Option(help="seconds to wait for photos", min=0)] = 600.0,
    json: Json = False,
    local: Local = False,  # noqa: ARG001 - acts by itself
) -> None:
    """Take over an old Supabase project of the mobile app."""
    settings = load_settings(ImportSettings)
    try:
        opened = open_source(source)
        report = asyncio.run(_import(settings, opened, photos, dry_run=dry_run, wait=wait))
    except NotASource as error:
        fail(str(error), 2)
    except (DBAPIError, psycopg.Error, StorageError, OSError, UnicodeDecodeError) as error:
        fail(f"it could not be done: {redact_text(str(error))}")
    show(report, json=json)


async def _import(
    settings: ImportSettings, source: Source, photos: str, *, dry_run: bool, wait: float
) -> list[dict[str, object]]:
    """Import rows, then photos, and return the report."""
    engine = create_engine(settings, application="loppestars-import")
    try:
        async with sessions(engine)() as session:
            rows = RowImport(session, source)
            await rows.run()
            await (session.rollback() if dry_run else session.commit())
        report = [count.as_row(name) for name, count in rows.counts.items()]
        if photos and not dry_run:
            moving = PhotoImport(engine, open_storage(settings), settings.originals_bucket)
            await moving.finish(await moving.request(OldPhotos(photos), rows.ratings), wait)
            report.append(moving.count.as_row("photos"))
    finally:
        await engine.dispose()
    return report


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 when it was done, 1 when it could not be, 2 on wrong usage."""
    run(app, arguments)
