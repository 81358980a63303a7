"""The program `loppestars-operator` where there is no cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("loppestars-operator"))


def operator(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, at home in `folder`, which holds no kubeconfig."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "METRICS_PORT": "0", **variables}
    command = [PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


class TestProgram:
    def test_help(self, tmp_path: Path) -> None:
        """It names every variable with its default as one would write it."""
        help_ = operator(tmp_path, "--help").stdout
        assert "READ_SECRETS" in help_
        assert "[default false]" in help_
        assert "()" not in help_

    @pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--namespace"], 2), (["now"], 2)])
    def test_usage(self, tmp_path: Path, arguments: list[str], code: int) -> None:
        """The version needs no cluster; what it does not know is refused."""
        assert operator(tmp_path, *arguments).returncode == code

    def test_no_cluster(self, tmp_path: Path) -> None:
        """Without an API server it ends with 1 and one sentence."""
        done = operator(tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("no way to the API server")
        assert done.stderr.endswith("set KUBECONFIG or run inside a cluster\n")

    def test_wrong_variable(self, tmp_path: Path) -> None:
        """A wrong setting is named with what was expected."""
        done = operator(tmp_path, WORKERS="many")
        assert done.returncode == 2
        assert "WORKERS" in done.stderr
