"""The data folder: one run at a time holds it, keys are made once, `run.json` tells scripts what runs."""

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO


class FolderUnusable(RuntimeError):
    """The folder cannot be written to; the message says why and what to do."""


class FolderInUse(RuntimeError):
    """Another run holds the folder; the message says which."""


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """What `run.json` holds while the platform runs."""

    url: str
    metrics_urls: dict[str, str]
    admin_token: str
    pids: dict[str, int]


class DataFolder:
    """`path` with its lock. The lock belongs to the open file: it ends with the process, however that dies."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.run_file = self.path / "run.json"
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the folder; raise `FolderUnusable` or `FolderInUse` before anything in it is changed."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+", encoding="utf-8")
            for name in ("logs", "storage"):
                (self.path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise FolderUnusable(
                f"The data folder {self.path} cannot be written to ({error.strerror}). "
                "Make it writable, or choose another: make run DATA_DIR=…"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise FolderInUse(
                f"Loppestars runs already on {self.path}{self._holder()}. "
                "Stop it first, or choose another folder and port: make run DATA_DIR=… PORT=…"
            ) from None
        # What a killed run announced is no more; scripts wait for what this one announces.
        self.run_file.unlink(missing_ok=True)
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def release(self) -> None:
        """Say that nothing runs any more."""
        self.run_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def key(self, name: str) -> str:
        """A secret that is made once and kept, readable by its owner only."""
        path = self.path / "keys" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            write_privately(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="utf-8").strip()

    def announce(self, platform: RunningPlatform) -> None:
        """Write `run.json`, readable by its owner only: it holds the admin token."""
        write_privately(self.run_file, json.dumps(asdict(platform), indent=2) + "\n")

    def _holder(self) -> str:
        try:
            pid = (self.path / "lock").read_text(encoding="utf-8").strip()
            url = json.loads(self.run_file.read_text(encoding="utf-8"))["url"]
        except (OSError, ValueError, LookupError, TypeError):  # half written, or not ours
            return ""
        return f" (process {pid}, {url})"


def write_privately(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
