"""The program `loppestars-operator` where there is no cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loppestars_operator.main import main
from tests.factories.forked import run_forked

PROGRAM = str(Path(sys.executable).with_name("loppestars-operator"))


def operator(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run the program to its end, at home in `folder`, which holds no kubeconfig."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "METRICS_PORT": "0", **variables}
    return run_forked(main, folder / "output", ["loppestars-operator", *arguments], environment)


class TestProgram:
    def test_help(self, tmp_path: Path) -> None:
        """It names every variable with its default as one would write it."""
        _, help_ = operator(tmp_path, "--help")
        assert "READ_SECRETS" in help_
        assert "[default false]" in help_
        assert "()" not in help_

    @pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--namespace"], 2), (["now"], 2)])
    def test_usage(self, tmp_path: Path, arguments: list[str], code: int) -> None:
        """The version needs no cluster; what it does not know is refused."""
        assert operator(tmp_path, *arguments)[0] == code

    def test_no_cluster(self, tmp_path: Path) -> None:
        """Without an API server it ends with 1 and one sentence."""
        code, said = operator(tmp_path)
        assert code == 1
        (sentence,) = (line for line in said.splitlines() if line.startswith("no way to the API server"))
        assert sentence.endswith("set KUBECONFIG or run inside a cluster")

    def test_wrong_variable(self, tmp_path: Path) -> None:
        """A wrong setting is named with what was expected."""
        code, said = operator(tmp_path, WORKERS="many")
        assert code == 2
        assert "WORKERS" in said

    def test_installed(self) -> None:
        """The package offers it as a command."""
        done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.startswith("loppestars ")
