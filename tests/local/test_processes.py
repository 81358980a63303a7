"""Children of `make run`: their output is kept, their end is noticed, none is left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loppestars_local.ports import PortInUse, answers, check_port, free_ports
from loppestars_local.processes import Child, Command


def child(tmp_path: Path, code: str) -> Child:
    made = Child(Command("test", (sys.executable, "-c", code), dict(os.environ)), tmp_path / "test.log")
    made.start()
    return made


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

    def test_a_signal_is_128_and_its_number(self, tmp_path: Path) -> None:
        """As shells say it: 137 for kill -9."""
        made = child(tmp_path, "import time; time.sleep(60)")
        made.process.kill()
        assert wait_for_exit(made) == 137

    def test_much_output_blocks_nobody(self, tmp_path: Path) -> None:
        """Ten megabytes that nobody reads do not stop the child."""
        assert wait_for_exit(child(tmp_path, "print('x' * 10_000_000)")) == 0

    def test_stop_is_patient_once(self, tmp_path: Path) -> None:
        """SIGTERM first; a child that ignores it is ended."""
        made = child(
            tmp_path,
            "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
        )
        while "deaf" not in made.log_tail():
            time.sleep(0.01)
        made.stop(0.2)
        assert made.exit_code == 128 + signal.SIGKILL

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
    def test_none_outlives_a_killed_parent(self, tmp_path: Path) -> None:
        """Kill -9 of the parent ends its children."""
        code = (
            "import os, sys, time; from pathlib import Path; from loppestars_local.processes import *; "
            "c = Child(Command('c', (sys.executable, '-c', 'import time; time.sleep(60)'), dict(os.environ)), "
            f"Path({str(tmp_path / 'c.log')!r})); c.start(); print(c.process.pid, flush=True); time.sleep(60)"
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


class TestPorts:
    def test_in_use(self) -> None:
        """One sentence: which port, and how to choose another."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(PortInUse, match=rf"Port {port} cannot be used .* make run PORT="):
                check_port(port)
        check_port(port)

    def test_free_ones_differ(self) -> None:
        """As many as asked for, all different."""
        assert len(set(free_ports(20))) == 20

    def test_nobody_answers(self) -> None:
        """A closed port is simply no answer."""
        assert not answers(f"http://127.0.0.1:{free_ports(1)[0]}/ready")
