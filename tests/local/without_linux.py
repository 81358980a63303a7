"""Hides from a Python process what only Linux has; the test writes this file as `sitecustomize.py` of every program.

Left alone is `sys.platform`: the libraries underneath would look for files of another system.
"""

import builtins
import ctypes
import io
import os
import sys
from pathlib import Path
from typing import Any

_CALLS = frozenset({"prctl", "unshare", "syscall", "capset", "malloc_trim"})
_FOLDERS = ("/proc", "/sys/fs/cgroup")
_MISSING = ("setresuid", "setresgid", "memfd_create", "pidfd_open", "posix_fadvise", "eventfd")


class Library(ctypes.CDLL):
    """The C library without its system calls that are Linux's own."""

    def __getattr__(self, name: str) -> Any:
        if name in _CALLS:
            raise AttributeError(name)
        return super().__getattr__(name)


def without_folders(function: Any) -> Any:
    """The same function, for which these folders do not exist."""

    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(_FOLDERS):
            raise FileNotFoundError(2, "hidden", str(path))
        return function(path, *arguments, **options)

    return call


def hide() -> None:
    """Hide it in this process, and leave a sign that it was done."""
    ctypes.CDLL = Library
    for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "stat"), (os, "listdir")):
        setattr(module, name, without_folders(getattr(module, name)))
    for name in _MISSING:
        if hasattr(os, name):
            delattr(os, name)
    signs = Path(os.environ["WITHOUT_LINUX_SIGNS"])
    (signs / f"{Path(sys.argv[0] if sys.argv else '-').name}-{os.getpid()}").touch()


hide()
