"""The data folder: one run at a time holds it, keys are made once, `run.json` says to scripts what runs.

Everything in it is readable by its owner only, because originals of photos, keys and the database lie there.
"""

import fcntl
import json
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from loppestars_core.sign_in.signing import new_key

_MIN_KEY_CHARACTERS: Final = 32
_FOLDERS: Final = ("keys", "logs", "storage")


class FolderUnusable(RuntimeError):
    """The folder cannot be used; the message says why and what to do."""


class FolderInUse(RuntimeError):
    """Another run holds the folder; the message says which."""


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """What `run.json` holds while the platform runs, and the variables by which other programs find it."""

    url: str
    metrics_urls: dict[str, str]
    admin_token: str
    anon_key: str
    database_url: str
    pids: dict[str, int]
    environment: dict[str, str] = field(repr=False)


class DataFolder:
    """`path` with its lock. The lock belongs to the open file: it ends with the process, however that dies."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.storage = self.path / "storage"
        self.run_file = self.path / "run.json"
        self.environment_file = self.path / "environment"
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the folder; raise `FolderUnusable` or `FolderInUse` before anything in it is changed."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            running = self.running() or {}
            by = f" (process {self.holder()}, {running['url']})" if "url" in running else ""
            raise FolderInUse(
                f"Loppestars already runs on {self.path}{by}. "
                "Stop it first, or choose another folder and port: make run DATA_DIR=… PORT=…"
            ) from None
        try:
            for name in _FOLDERS:
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
                (self.path / name).chmod(0o700)  # earlier releases let everyone read
        except OSError as error:
            self.release()
            raise self._unusable(error) from None
        # What a killed run announced is gone; scripts wait for what this one announces.
        self._withdraw()
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def release(self) -> None:
        """Remove the announcement and give the folder free."""
        self._withdraw()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def key(self, name: str) -> str:
        """Return a secret that is made once and kept; raise `FolderUnusable` for one that is damaged."""
        path = self.path / "keys" / name
        if not path.exists():
            write_privately(path, secrets.token_urlsafe(48))
        key = path.read_text(encoding="utf-8", errors="replace").strip()
        if len(key) < _MIN_KEY_CHARACTERS:
            raise FolderUnusable(
                f"The key file {path} is empty or damaged. Restore it, or delete it: a new key is made then, and "
                "tokens and links made with the old one are no longer accepted."
            )
        return key

    def token_key(self) -> str:
        """Return the private key that signs access tokens, as PEM; made once and kept."""
        path = self.path / "keys" / "tokens.pem"
        if not path.exists():
            write_privately(path, new_key())
        return path.read_text(encoding="utf-8", errors="replace")

    def announce(self, platform: RunningPlatform) -> None:
        """Write `run.json` and `environment`, readable by their owner only: they hold tokens and keys."""
        values = asdict(platform)
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.pop("environment").items()]
        write_privately(self.environment_file, "".join(lines))
        write_privately(self.run_file, json.dumps(values, indent=2) + "\n")

    def running(self) -> Mapping[str, Any] | None:
        """Return what `run.json` holds; None when nothing runs or it cannot be read."""
        try:
            found = json.loads(self.run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def is_free(self) -> bool:
        """Return whether no run holds the folder."""
        try:
            with (self.path / "lock").open("r+", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def holder(self) -> int | None:
        """Return the process that holds the folder; None when it is free."""
        try:
            return None if self.is_free() else int((self.path / "lock").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _unusable(self, error: OSError) -> FolderUnusable:
        return FolderUnusable(
            f"The data folder {self.path} cannot be written to ({error.strerror}). "
            "Make it writable, or choose another: make run DATA_DIR=…"
        )

    def _withdraw(self) -> None:
        self.run_file.unlink(missing_ok=True)
        self.environment_file.unlink(missing_ok=True)


def write_privately(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
