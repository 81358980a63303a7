"""System calls that the standard library does not offer."""

import ctypes
import os
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4
_SET_NO_NEW_PRIVS: Final = 38


class LayerUnavailable(Exception):
    """The kernel, or whoever runs this container, does not allow a layer; the message says why."""


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; raise LayerUnavailable."""
    _checked("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def forbid_new_privileges() -> str:
    """Let no program that is started raise its rights, which seccomp asks for; raise LayerUnavailable."""
    prctl(_SET_NO_NEW_PRIVS, 1)
    return "set"


def unshare(flags: int) -> None:
    """Leave the namespaces of these flags; raise LayerUnavailable."""
    _checked("unshare", flags)


def system_call(number: int, *arguments: object) -> int:
    """Call the kernel by number and return its answer; raise LayerUnavailable."""
    return _checked("syscall", ctypes.c_long(number), *arguments)


def _checked(function: str, *arguments: object) -> int:
    call = getattr(ctypes.CDLL(None, use_errno=True), function, None)
    if sys.platform != "linux" or call is None:
        raise LayerUnavailable("only Linux has it")
    result: int = call(*arguments)
    if result < 0:
        raise LayerUnavailable(os.strerror(ctypes.get_errno()))
    return result
