"""The command line of every program: one look, `--version`, `--json`, examples in `--help`.

What a command prints is a table on a terminal, tab-separated lines elsewhere, and JSON with `--json`. Only what
concerns every program is here; the rest is typer, https://typer.tiangolo.com.

    app = program("loppestars-roles", "Grant, revoke and list roles.", epilog=epilog(describe(RolesSettings)))

    @app.command("list")
    def list_(json: Json = False) -> None:
        "Show who holds which role."
        show([{"user": "…", "role": "admin"}], json=json)

    def main(arguments: list[str] | None = None) -> None:
        run(app, arguments)
"""

import json as json_format
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed_version
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer's signature of a callback
    if asked:
        sys.stdout.write(f"loppestars {installed_version('loppestars')}\n")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        callback=lambda asked: _use_local_platform() if asked else None,
        is_eager=True,
        help="Work on the platform that `make run` runs on DATA_DIR (.loppestars), without DATABASE_URL.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def program(name: str, purpose: str, *, epilog: str = "", local: bool = False) -> typer.Typer:
    """Return a program with subcommands and `--version`; with `--local`, at any place, where `local` is set."""
    app = _typer(name, purpose, epilog)
    if local:

        @app.callback()
        def options_of_data(*, version: Version = False, local: Local = False) -> None:
            """Take the options that stand before the subcommand."""

    else:

        @app.callback()
        def options(*, version: Version = False) -> None:
            """Take the options that stand before the subcommand."""

    return app


def single(name: str, purpose: str, *, epilog: str = "") -> typer.Typer:
    """Return a program without subcommands; its one command takes `version: Version = False`."""
    return _typer(name, purpose, epilog)


def epilog(variables: str = "", *, examples: Sequence[str] = (), notes: str = "") -> str:
    """Return the end of a `--help`: examples, notes such as exit codes, and the environment variables."""
    shown = "examples:\n" + "\n".join(f"  {line}" for line in examples) if examples else ""
    paragraphs = [part.strip("\n") for part in (shown, notes, variables) if part]
    # A line "\b" keeps the lines of its paragraph as they are.
    return "\n\n".join("\b\n" + part.replace("\n\n", "\n\n\b\n") for part in paragraphs)


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run the command that the command line names; exit with 2 on wrong usage, else with what the command says.

    Returns only when all went well, so that a program's `main` can be called from another one.
    """
    if app.registered_callback is None:
        # A program without subcommands: its one command's help is the program's.
        app.registered_commands[0].epilog = app.info.epilog
    for command in app.registered_commands:
        # Typer would cut the sentence off in the list of commands.
        command.short_help = command.short_help or (getdoc(command.callback) or "").split("\n\n")[0]
    words = list(sys.argv[1:] if arguments is None else arguments)
    if app.registered_callback is not None and "--local" in words:
        # It is an option of the program, and people write it after the subcommand.
        words = ["--local", *(word for word in words if word != "--local")]
    try:
        app(args=words, prog_name=app.info.name)
    except SystemExit as ended:
        if ended.code:
            raise


def fail(reason: str, code: int = 1) -> NoReturn:
    """Print `reason` on standard error and end the command with `code`."""
    sys.stderr.write(reason.rstrip("\n") + "\n")
    raise typer.Exit(int(code))


def show(rows: Sequence[Mapping[str, Any]], *, json: bool = False) -> None:
    """Print rows of equal keys: as a table on a terminal, tab-separated elsewhere, or as JSON."""
    if json:
        show_json([dict(row) for row in rows])
    elif not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(_text(value) for value in row.values()) + "\n" for row in rows)
    elif rows:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for key in rows[0]:
            table.add_column(key.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(escape(_text(value)) for value in row.values()))
        Console().print(table)


def show_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print `value` as indented JSON; what JSON does not know is written as text."""
    sys.stdout.write(json_format.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def _use_local_platform() -> None:
    """Take the variables that a running `make run` has written for programs started by hand."""
    path = Path(os.environ.get("DATA_DIR") or ".loppestars") / "environment"
    try:
        words = shlex.split(path.read_text(encoding="utf-8"))
    except OSError:
        fail(f"Loppestars does not run on {path.parent}. Start it with `make run`, or set DATA_DIR.")
    os.environ |= dict(word.split("=", maxsplit=1) for word in words) | {"METRICS_PORT": "0"}


def _text(value: Any) -> str:  # noqa: ANN401 - a cell of any type
    return "" if value is None else str(value)


def _typer(name: str, purpose: str, end: str) -> typer.Typer:
    return typer.Typer(
        name=name,
        help=purpose,
        epilog=end,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
    )
