"""Programs that we start are ended, and only those."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cluster.errors import CommandFailed, NotReady
from tools.cluster.processes import Child, Daemon, ProcessIdentity, run, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


class TestProcessIdentity:
    def test_own_process_is_alive(self) -> None:
        """The start time read twice is the same."""
        identity = ProcessIdentity.of(os.getpid())
        assert identity is not None
        assert identity.is_alive()

    def test_same_pid_of_another_process_is_not_it(self) -> None:
        """A reused pid is recognised by its start time."""
        identity = ProcessIdentity.of(os.getpid())
        assert identity is not None
        assert not ProcessIdentity(identity.pid, identity.start_time - 1).is_alive()

    def test_command_names_with_parentheses(self, tmp_path: Path) -> None:
        """The kernel prints the name unescaped; the fields behind it are still found."""
        program = tmp_path / "a ) S 1 ("
        program.symlink_to("/bin/sleep")
        process = subprocess.Popen([str(program), "60"])
        try:
            wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text().startswith("a )"), "exec", timeout=5)
            identity = ProcessIdentity.of(process.pid)
            own = ProcessIdentity.of(os.getpid())
            assert identity is not None
            assert own is not None
            assert identity.start_time >= own.start_time
        finally:
            process.kill()
            process.wait()


class TestDaemon:
    def test_starts_once_and_stops(self, tmp_path: Path) -> None:
        """A second start finds the first; stop ends it and forgets it."""
        daemon = Daemon("sleeper", tmp_path)
        assert daemon.start(SLEEP)
        assert not daemon.start(SLEEP)
        identity = daemon.identity()
        assert identity is not None
        daemon.stop(grace=5)
        assert not identity.is_alive()
        assert not daemon.record.exists()

    def test_never_ends_a_process_it_did_not_start(self, tmp_path: Path) -> None:
        """A record whose pid belongs to somebody else by now is forgotten, and nothing is signalled."""
        stranger = subprocess.Popen(SLEEP)
        try:
            identity = ProcessIdentity.of(stranger.pid)
            assert identity is not None
            daemon = Daemon("sleeper", tmp_path)
            daemon.record.write_text(json.dumps({"pid": stranger.pid, "start_time": identity.start_time - 7}))
            assert daemon.identity() is None
            daemon.stop(grace=0.1)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    @pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', "[]"])
    def test_broken_record_counts_as_not_running(self, tmp_path: Path, content: str) -> None:
        """A record cut off by kill -9 does not stop the next start."""
        daemon = Daemon("sleeper", tmp_path)
        daemon.record.write_text(content)
        assert daemon.identity() is None


class TestChild:
    def test_ends_with_a_killed_parent(self, tmp_path: Path) -> None:
        """Killing the parent with -9 leaves nothing behind."""
        script = (
            "import sys, time; from pathlib import Path; from tools.cluster.processes import Child;"
            f"child = Child('sleeper', {SLEEP!r}, Path({str(tmp_path / 'log')!r}));"
            "print(child.pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        with parent, parent.stdout:
            child = ProcessIdentity.of(int(parent.stdout.readline()))
            assert child is not None
            parent.send_signal(signal.SIGKILL)
            parent.wait()
        wait_until(lambda: not child.is_alive(), "end of the child", timeout=5)

    def test_reports_why_it_ended(self, tmp_path: Path) -> None:
        """The error carries the program's last words."""
        child = Child("broken", ["/bin/sh", "-c", "echo no such option; exit 3"], tmp_path / "log")
        child.process.wait()
        with pytest.raises(CommandFailed, match=r"broken ended with 3:\s+no such option"):
            child.require_alive()


class TestRun:
    def test_failure_names_command_and_words(self) -> None:
        """What the program said is in the error."""
        with pytest.raises(CommandFailed, match=r"ended with 4:\nwrong moon"):
            run(["/bin/sh", "-c", "echo wrong moon >&2; exit 4"])

    def test_missing_program_is_named(self) -> None:
        """No traceback for a program that is not installed."""
        with pytest.raises(CommandFailed, match="no-such-program is not installed"):
            run(["no-such-program"])

    def test_waiting_ends(self) -> None:
        """What never gets ready is named."""
        with pytest.raises(NotReady, match=r"the moon was not ready within 0 s"):
            wait_until(lambda: False, "the moon", timeout=0.05, interval=0.01)
