"""The layers of the box, each of use without the others: no kernel and no container runtime allows all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loppestars_imaging.engine.sandbox import kernel, landlock, seccomp
from loppestars_imaging.engine.sandbox.kernel import LayerUnavailable

_NEW_USER, _NEW_NETWORK, _NEW_IPC, _NEW_HOST_NAME = 0x10000000, 0x40000000, 0x08000000, 0x04000000


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it turned out: `detail` says what holds, or why it does not."""

    name: str
    holds: bool
    detail: str


def hide_memory() -> Layer:
    """Keep other processes of this user from reading this one's memory and environment (prctl(2), dumpable)."""

    def apply() -> str:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        return "not dumpable"

    return _tried("memory", apply)


def leave_namespaces() -> Layer:
    """Move into a user, network and IPC namespace that holds nothing; only a process of one thread can."""

    def apply() -> str:
        kernel.unshare(_NEW_USER | _NEW_NETWORK | _NEW_IPC | _NEW_HOST_NAME)
        return "user, network, IPC"

    return _tried("namespaces", apply)


def close_box() -> list[Layer]:
    """Take away everything that decoding does not need, once all that it needs is loaded."""
    return [_tried(name, apply) for name, apply in _LAYERS]


def _tried(name: str, apply: Callable[[], str]) -> Layer:
    try:
        return Layer(name, holds=True, detail=apply())
    except LayerUnavailable as error:
        return Layer(name, holds=False, detail=str(error))


_LAYERS: Final = (
    ("no_new_privs", kernel.forbid_new_privileges),
    ("landlock", landlock.deny_everything),
    ("seccomp", seccomp.allow_only_decoding),
)
