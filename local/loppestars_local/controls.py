"""What the commands besides `run` do with a platform that runs, or with its data folder."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from loppestars_core.accounts.role import Role
from loppestars_local.data_folder import DataFolder
from loppestars_local.ports import answers
from loppestars_local.postgres import find_binaries
from loppestars_local.settings import RunSettings
from loppestars_local.tokens import ADMIN, UserRefused, access_token

__all__ = ("ADMIN", "UserRefused")
NOTHING_RUNS: Final = "Loppestars does not run on this data folder. Start it: make run"
_STOP_SECONDS: Final = 60
_READY_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05


class NotRunning(RuntimeError):
    """The command needs a running platform; the message says how to start one."""


def data_folder() -> DataFolder:
    """Return the folder that DATA_DIR names."""
    return DataFolder(RunSettings().data_dir)


def running_platform() -> Mapping[str, Any]:
    """Return what `run.json` says of the platform that runs; raise `NotRunning` when none does or is ready."""
    folder = data_folder()
    if (pid := folder.holder()) is None:
        raise NotRunning(NOTHING_RUNS)
    platform = folder.running()
    if platform is None:
        raise NotRunning(f"Loppestars is starting (process {pid}). Try again when it is ready.")
    return platform


def component_rows(platform: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each process: its name, pid, whether it is ready and where it answers.

    The jobs worker starts behind what people wait for: a moment after the start it is given the time that it needs.
    """
    ready_urls = {name: url.replace("/metrics", "/ready") for name, url in platform["metrics_urls"].items()}
    ready_urls["api"] = f"{platform['url']}/ready"
    deadline = data_folder().run_file.stat().st_mtime + _READY_SECONDS
    while not answers(ready_urls["jobs"]) and time.time() < deadline:
        time.sleep(_POLL_SECONDS)
    return [
        {
            "component": name,
            "pid": pid,
            "ready": name not in ready_urls or answers(ready_urls[name]),
            "url": platform["url"] if name == "api" else ready_urls.get(name, ""),
        }
        for name, pid in platform["pids"].items()
    ]


def stop_platform() -> bool:
    """Ask the run to end and wait for it; return whether there was one."""
    folder = data_folder()
    if (pid := folder.holder()) is None:
        return False
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    while not folder.is_free():
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} has not ended within {_STOP_SECONDS} s")
        time.sleep(_POLL_SECONDS)
    return True


def make_token(user: str, role: Role | None) -> str:
    """Return a token of `user`, granted `role` before; raise `NotRunning` or `UserRefused`."""
    folder = data_folder()
    platform = running_platform()
    if user != ADMIN or role is not None:
        from loppestars_local.users import prepare_user  # noqa: PLC0415 - its libraries take half a second

        asyncio.run(prepare_user(platform["database_url"], user, role, notes="loppestars-local token --role"))
    return access_token(folder.key("jwt"), user)


def exec_psql(arguments: Sequence[str]) -> NoReturn:
    """Become psql, the one of the embedded server unless PATH has one; raise `NotRunning`."""
    platform = running_platform()
    program = str(find_binaries() / "psql")
    os.execv(program, [program, platform["database_url"], *arguments])  # noqa: S606 - our own program, no shell


def reset(folder: DataFolder) -> None:
    """Delete everything in the folder except the keys; raise `FolderInUse` when a platform runs on it."""
    folder.acquire()
    try:
        for name in ("postgres", "storage", "logs"):
            shutil.rmtree(folder.path / name, ignore_errors=True)
    finally:
        folder.release()
