"""What every command line has in common."""

import json
import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import pytest
import typer

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.cli import Json, Version, epilog, fail, program, run, show, single


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def paint_program() -> typer.Typer:
    variables = "environment variables:\n  WALL  a wall"
    app = program("paint", "Paint walls.", epilog=epilog(variables, examples=["paint red"]))

    @app.command()
    def wall(colour: Colour, *, json: Json = False) -> None:
        """Paint one wall."""
        if colour is Colour.GREEN:
            fail("green is sold out")
        show([{"colour": colour.value, "walls": 1}], json=json)

    return app


def code_of(*arguments: str, app: typer.Typer | None = None) -> int:
    try:
        run(app or paint_program(), arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


class TestHelp:
    def test_lines_stay(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Purpose, subcommands, examples and variables, each on its own line."""
        assert code_of("--help") == ExitCode.DONE
        printed = capsys.readouterr().out.splitlines()
        assert "  Paint walls." in printed
        assert "  wall  Paint one wall." in printed
        assert printed.index("    paint red") == printed.index("  examples:") + 1
        assert printed.index("    WALL  a wall") == printed.index("  environment variables:") + 1

    def test_single(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A program without subcommands shows its examples, too."""
        app = single("brush", "Clean a brush.", epilog=epilog(examples=["brush --soap"]))

        @app.command()
        def clean(*, soap: bool = False) -> None:
            """Clean a brush."""

        assert code_of("--help", app=app) == ExitCode.DONE
        assert "    brush --soap" in capsys.readouterr().out.splitlines()

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Both forms of program have it."""
        app = single("brush", "Clean a brush.")

        @app.command()
        def clean(*, version: Version = False) -> None:
            """Clean it."""

        assert code_of("--version") == code_of("--version", app=app) == ExitCode.DONE
        assert capsys.readouterr().out.count("loppestars ") == 2


class TestUsage:
    def test_choices(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A wrong choice names the right ones and exits with 2."""
        assert code_of("wall", "blue") == ExitCode.USAGE
        assert "'blue' is not one of 'red', 'green'" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [[], ["floor"], ["wall"], ["wall", "red", "--size", "3"]])
    def test_wrong(self, arguments: list[str]) -> None:
        """Missing or unknown words exit with 2, as every command line does."""
        assert code_of(*arguments) == ExitCode.USAGE

    def test_failure(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The reason is one line on standard error; the code is the command's."""
        assert code_of("wall", "green") == ExitCode.FAILED
        assert capsys.readouterr().err == "green is sold out\n"


class TestLocal:
    def local_program(self) -> typer.Typer:
        app = program("where", "Say where.", local=True)

        @app.command()
        def database() -> None:
            """Print it."""
            show([{"url": os.environ.get("DATABASE_URL")}])

        return app

    @pytest.mark.parametrize("words", [("database", "--local"), ("--local", "database")])
    def test_variables(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        words: tuple[str, ...],
    ) -> None:
        """With --local, at any place, a program gets the variables that a running `make run` has written."""
        monkeypatch.setenv("DATA_DIR", str(tmp_path))
        monkeypatch.setattr(os, "environ", dict(os.environ))
        (tmp_path / "environment").write_text("DATABASE_URL='postgresql://a b'\nSTORAGE_DIR=/data\n")
        assert code_of(*words, app=self.local_program()) == ExitCode.DONE
        assert capsys.readouterr().out == "postgresql://a b\n"

    def test_nothing_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One sentence that says how to start it."""
        monkeypatch.setenv("DATA_DIR", str(tmp_path))
        assert code_of("database", "--local", app=self.local_program()) == ExitCode.FAILED
        assert "make run" in capsys.readouterr().err


class TestShow:
    def test_plain(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Away from a terminal: one line per row, separated by tabs."""
        assert code_of("wall", "red") == ExitCode.DONE
        assert capsys.readouterr().out == "red\t1\n"

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With --json it can be parsed."""
        assert code_of("wall", "red", "--json") == ExitCode.DONE
        assert json.loads(capsys.readouterr().out) == [{"colour": "red", "walls": 1}]

    def test_terminal(self, tmp_path: Path) -> None:
        """On a terminal: a table with headings."""
        code = (
            "import pty, sys; pty.spawn([sys.executable, '-c', "
            "\"from loppestars_core.kit.cli import show; show([{'user_id': 'a[b]', 'role': None}])\"])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert "user id" in done.stdout
        assert "a[b]" in done.stdout
