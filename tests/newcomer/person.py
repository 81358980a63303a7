"""Somebody who has cloned the repository a moment ago: an empty home, Python, and nothing else of ours."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.newcomer.pages import REPOSITORY, Block, says

_COMMAND_SECONDS: Final = 300
_USABLE_SECONDS: Final = 300
_STOP_SECONDS: Final = 60
# What a shell of theirs would have; how packages are reached is the machine's business.
_KEPT: Final = ("PIP_", "UV_", "SSL_", "LANG")
# Blocks of one page share what they export, as they would in one terminal.
_SHELL: Final = """
set -euo pipefail
if [ -f "$HOME/exported" ]; then . "$HOME/exported"; fi
{commands}
export -p >"$HOME/exported"
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of this machine with an empty `home` and a fresh `clone`."""

    name: str | None
    home: Path
    clone: Path

    @classmethod
    def arrive(cls, name: str | None, folder: Path) -> "Person":
        """Clone the repository into `folder` as the user `name` would; None is who runs the tests."""
        person = cls(name, folder / "home", folder / "loppestars")
        person.home.mkdir(parents=True)
        subprocess.run(["git", "clone", "--quiet", f"file://{REPOSITORY}", person.clone], check=True)  # noqa: S607 - our own
        if name is not None:
            account = pwd.getpwnam(name)
            for path in (folder, *folder.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        return person

    def run(self, block: Block) -> str:
        """Run the commands of a block as printed, and return what they print."""
        with self._start(block, subprocess.PIPE) as process:
            try:
                printed, _ = process.communicate(timeout=_COMMAND_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise AssertionError(f"{block} does not end: {error.output}") from None
        assert process.returncode == 0, f"{block} ended with {process.returncode}:\n{printed}"
        return printed

    @contextmanager
    def running(self, block: Block) -> Iterator[None]:
        """Run the commands of a block in another terminal, from the moment they print what the page shows."""
        log = self.home / "terminal.log"
        with log.open("w") as file, self._start(block, file) as process:
            deadline = time.monotonic() + _USABLE_SECONDS
            while not says(log.read_text(), block.answer or ""):
                assert process.poll() is None, f"{block} ended:\n{log.read_text()}"
                assert time.monotonic() < deadline, f"{block} does not print what the page says:\n{log.read_text()}"
                time.sleep(0.2)
            yield
            if process.poll() is None:
                # As Ctrl-C does: to all that run in that terminal.
                os.killpg(process.pid, signal.SIGINT)
            process.wait(_STOP_SECONDS)

    @contextmanager
    def _start(self, block: Block, output: int | IO[str]) -> Iterator[subprocess.Popen[str]]:
        environment = {key: value for key, value in os.environ.items() if key.startswith(_KEPT)}
        # No uv, no programs of this environment: the system's, and the Python that runs the tests.
        programs = self.home / "bin"
        programs.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
        process = subprocess.Popen(
            ["/bin/bash", "-c", _SHELL.format(commands=block.commands)],
            cwd=self.clone,
            env={**environment, "HOME": str(self.home), "PATH": f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin"},
            user=self.name,
            group=pwd.getpwnam(self.name).pw_gid if self.name else None,
            extra_groups=[] if self.name else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(_STOP_SECONDS)
