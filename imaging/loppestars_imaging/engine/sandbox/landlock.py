"""Landlock: no path can be opened, made, removed or run, no TCP port used, no process outside signalled.

A ruleset without rules denies everything that it handles. Rights were added version by version (landlock(7)); a kernel
refuses those it does not know.
"""

import ctypes
import os
from typing import Final

from loppestars_imaging.engine.sandbox.kernel import LayerUnavailable, system_call

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files each version knows; later ones know as many as the last."""
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6


class _Ruleset(ctypes.Structure):
    """landlock_ruleset_attr."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def deny_everything() -> str:
    """Deny it to this thread and those it starts, and return the version in use; needs no_new_privs."""
    version = system_call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    if version < 1:
        raise LayerUnavailable("the kernel has it switched off")
    rules = _Ruleset((1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1)
    size = 8
    if version >= _NETWORK_SINCE:
        rules.handled_access_net, size = 0b11, 16
    if version >= _SCOPES_SINCE:
        rules.scoped, size = 0b11, 24
    ruleset = system_call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        system_call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return f"version {version}"
