"""Child processes: their output is kept, their end is noticed, none is left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loppestars_core.kit.processes import Child, stop_all


def child(tmp_path: Path, code: str) -> Child:
    return Child("test", (sys.executable, "-c", code), tmp_path / "test.log")


def wait_for_exit(started: Child) -> int:
    deadline = time.monotonic() + 10
    while started.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert started.exit_code is not None
    return started.exit_code


class TestChild:
    def test_exit_code_and_last_lines(self, tmp_path: Path) -> None:
        """Both streams are in the log; the tail is the last lines."""
        made = child(
            tmp_path, "import sys; [print(n, flush=True) for n in range(99)]; sys.stderr.write('oh no'); sys.exit(7)"
        )
        assert wait_for_exit(made) == 7
        assert made.log_tail(2) == "98\noh no"

    def test_signal(self, tmp_path: Path) -> None:
        """As in shells: 137 for kill -9."""
        made = child(tmp_path, "import time; time.sleep(60)")
        made.process.kill()
        assert wait_for_exit(made) == 137

    def test_unread_output(self, tmp_path: Path) -> None:
        """Ten megabytes that nothing reads do not stop the child."""
        assert wait_for_exit(child(tmp_path, "print('x' * 10_000_000)")) == 0

    def test_stop(self, tmp_path: Path) -> None:
        """SIGTERM first; a child that ignores it is ended."""
        made = child(
            tmp_path,
            "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
        )
        while "deaf" not in made.log_tail():
            time.sleep(0.01)
        made.stop(0.2)
        assert made.exit_code == 128 + signal.SIGKILL

    def test_stop_all(self, tmp_path: Path) -> None:
        """All are asked at the same time; a deaf one costs the grace only once and does not spare the others."""
        deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
        running = [child(tmp_path / str(number), deaf) for number in range(3)]
        running.append(child(tmp_path / "3", "import time; print('deaf', flush=True); time.sleep(60)"))
        for made in running:
            while "deaf" not in made.log_tail():
                time.sleep(0.01)
        stop_all(running, 0.2)
        assert [made.exit_code for made in running] == [137, 137, 137, 143]

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
    def test_killed_parent(self, tmp_path: Path) -> None:
        """Kill -9 of the parent ends its children."""
        code = (
            "import sys, time; from pathlib import Path; from loppestars_core.kit.processes import Child; "
            "c = Child('c', (sys.executable, '-c', 'import time; time.sleep(60)'), "
            f"Path({str(tmp_path / 'c.log')!r})); print(c.pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        parent.stdout.close()
        state = Path(f"/proc/{pid}/stat")
        deadline = time.monotonic() + 5
        # A zombie has ended too; only its new parent has not looked yet.
        while state.exists() and state.read_text().rpartition(") ")[2][0] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)
