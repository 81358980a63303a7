"""The commands of `loppestars-local`."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from loppestars_core.accounts.role import Role
from loppestars_core.kit.cli import Json, epilog, fail, program, show
from loppestars_core.kit.settings import describe
from loppestars_local import backups, controls
from loppestars_local.data_folder import FolderInUse, FolderUnusable
from loppestars_local.postgres import PostgresDidNotStart
from loppestars_local.run import run as run_platform
from loppestars_local.sample_site.command import sample_site
from loppestars_local.settings import RunSettings

app: Final = program(
    "loppestars-local",
    "The whole platform on one machine: PostgreSQL, API, imaging, jobs and a crawl of a sample site.",
    epilog=epilog(
        describe(RunSettings),
        examples=[
            "loppestars-local run                            until Ctrl-C",
            "PORT=8090 SOURCES=live loppestars-local run     on another port, with the real market sites",
            'curl -H "Authorization: Bearer $(loppestars-local token)" http://127.0.0.1:8080/scraper/runs',
            "loppestars-local backup && loppestars-local drill",
            "loppestars-local psql -c 'SELECT count(*) FROM markets'",
        ],
        notes="Every command works on DATA_DIR, by default the folder .loppestars here.",
    ),
)


@app.command()
def run() -> None:
    """Run the platform until Ctrl-C."""
    raise typer.Exit(run_platform())


@app.command()
def status(*, json: Json = False) -> None:
    """Show what runs and whether it is ready; exit with 1 when nothing runs."""
    platform = _running_platform()
    rows = controls.component_rows(platform)
    show(rows, json=json)
    if not all(row["ready"] for row in rows):
        raise typer.Exit(1)


@app.command()
def stop() -> None:
    """Stop the platform, as Ctrl-C in its terminal does, and wait until it has ended."""
    if not controls.stop_platform():
        fail(controls.NOTHING_RUNS)


@app.command()
def token(
    user: Annotated[str, typer.Argument(help="id of the user; made when it is new")] = controls.ADMIN,
    *,
    role: Annotated[Role | None, typer.Option(help="grant this role first")] = None,
) -> None:
    """Print an access token of a user, valid for 30 days; without USER the admin's."""
    try:
        sys.stdout.write(controls.make_token(user, role) + "\n")
    except (controls.NotRunning, controls.UserRefused, FolderUnusable) as error:
        fail(str(error))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def psql(context: typer.Context) -> None:
    """Open psql on the platform's database; further arguments are psql's."""
    try:
        controls.exec_psql(context.args)
    except controls.NotRunning as error:
        fail(str(error))


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete the database, files and logs of DATA_DIR; the keys stay."""
    folder = controls.data_folder()
    if not yes:
        typer.confirm(f"Delete all data in {folder.path}?", abort=True)
    try:
        controls.reset(folder)
    except (FolderInUse, FolderUnusable) as error:
        fail(str(error))


@app.command()
def backup() -> None:
    """Back up the running platform into BACKUP_DIR, by default the folder DATA_DIR-backups next to its data."""
    platform = _running_platform()
    raise typer.Exit(backups.create_backup(controls.data_folder(), platform))


@app.command()
def restore(
    backup_id: Annotated[str, typer.Argument(metavar="[ID]", help="id of a backup; by default the newest")] = "",
) -> None:
    """Restore DATA_DIR from a backup while nothing runs on it; also when it was deleted."""
    try:
        code = backups.restore_backup(controls.data_folder(), backup_id)
    except (FolderInUse, FolderUnusable, PostgresDidNotStart) as error:
        fail(str(error))
    raise typer.Exit(code)


@app.command()
def drill() -> None:
    """Restore the newest backup into a database to throw away, and compare."""
    platform = _running_platform()
    raise typer.Exit(backups.drill(controls.data_folder(), platform))


@app.command("open")
def open_(path: Annotated[str, typer.Argument(help="path below the API's address")] = "/docs") -> None:
    """Open the API's documentation in the browser and print its address."""
    platform = _running_platform()
    sys.stdout.write(platform["url"] + path + "\n")
    typer.launch(platform["url"] + path)


app.command("sample-site")(sample_site)


def _running_platform() -> Mapping[str, Any]:
    try:
        return controls.running_platform()
    except controls.NotRunning as error:
        fail(str(error))
