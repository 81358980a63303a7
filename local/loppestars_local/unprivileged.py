"""How PostgreSQL runs where we are root: it refuses that, so it becomes an ordinary user.

Our folders may lie below ones that only root may enter. No folder is opened for that: the server keeps the one
capability that lets it pass (Linux), and nothing else of root.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

USER: Final = "nobody"
_ROOT: Final = 0
# capabilities(7); the first one reads and passes everything, the second one is what containers usually leave to root.
_CAP_DAC_READ_SEARCH: Final = 2
_CAP_DAC_OVERRIDE: Final = 1
_CAPABILITY_VERSION_3: Final = 0x20080522
# Operations of the system call prctl.
_SET_KEEP_CAPABILITIES: Final = 8
_AMBIENT: Final = 47
_AMBIENT_RAISE: Final = 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def account() -> pwd.struct_passwd | None:
    """Return the user that the server must become; None when we are not root."""
    return pwd.getpwnam(USER) if os.geteuid() == _ROOT else None


def become() -> Callable[[], None] | None:
    """Return what makes a child that user before its program starts; None when we are not root."""
    user = account()
    if user is None:
        return None
    capability = _passing_capability()
    library = ctypes.CDLL(None) if capability is not None else None

    def drop() -> None:
        if library is not None:
            library.prctl(_SET_KEEP_CAPABILITIES, 1, 0, 0, 0)
        os.setgroups([])
        # As root these set the real, effective and saved one; macOS has no call for the three.
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        if library is not None and capability is not None:
            header, bit = _Header(_CAPABILITY_VERSION_3, 0), 1 << capability
            sets = (_Sets * 2)(_Sets(bit, bit, bit), _Sets(0, 0, 0))
            library.capset(ctypes.byref(header), sets)
            library.prctl(_AMBIENT, _AMBIENT_RAISE, capability, 0, 0)

    return drop


def _passing_capability() -> int | None:
    if sys.platform != "linux":
        return None
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        ours = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapPrm:")), 16)
    except (OSError, StopIteration, ValueError):
        return None
    return next((number for number in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if ours >> number & 1), None)
