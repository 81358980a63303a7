"""What a run of the tests says at its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.cluster
def test_cluster() -> None: ...

@pytest.mark.faults
@pytest.mark.parametrize("number", range(3))
def test_faults(number: int) -> None: ...

def test_tool() -> None:
    pytest.skip("needs the program helm")

def test_plain() -> None: ...
"""


class TestLeftOut:
    @pytest.mark.parametrize("workers", ["0", "2"])
    def test_lines(self, tmp_path: Path, workers: str) -> None:
        """One line per reason with its count, also when the tests ran in other processes."""
        (tmp_path / "test_few.py").write_text(TESTS)
        (tmp_path / "pytest.ini").write_text(
            f"[pytest]\npythonpath={ROOT}\nmarkers=\n cluster: a\n faults: b\n"
            "addopts=-p xdist -p tests.factories.left_out -m 'not cluster and not faults' -n " + workers
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
            capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line.strip() for line in done.stdout.splitlines()]
        assert "3  marked faults: make test-faults" in lines
        assert "1  marked cluster: make test-cluster" in lines
        assert "1  needs the program helm" in lines
