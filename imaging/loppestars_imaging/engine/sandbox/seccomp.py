"""A seccomp filter: the system calls that decoding takes are allowed, every other one is refused.

What is allowed works on memory, on descriptors that are open already, on clocks and on threads of this process. Nothing
that takes a path, makes a descriptor for a file or a socket, starts a program or names another process is among it.
Written as BPF here because the bindings that can be had need the system's libseccomp, which the images do not carry.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Final

from loppestars_imaging.engine.sandbox.kernel import LayerUnavailable, system_call

# Names and numbers: x86-64, arm64 (None where the architecture has no such call). Frequent ones first.
_ALLOWED: Final[dict[str, tuple[int | None, int | None]]] = {
    "futex": (202, 98),
    "read": (0, 63),
    "write": (1, 64),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "madvise": (28, 233),
    "brk": (12, 214),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "rt_sigprocmask": (14, 135),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "exit": (60, 93),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "close": (3, 57),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "dup": (32, 23),
    "select": (23, None),
    "pselect6": (270, 72),
    "poll": (7, None),
    "ppoll": (271, 73),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getcpu": (309, 168),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "rt_sigaction": (13, 134),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "membarrier": (324, 283),
    "mincore": (27, 232),
    "exit_group": (231, 94),
}
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_TGKILL: Final = (234, 131)
_PRLIMIT: Final = (302, 261)
_FCNTL: Final = (72, 25)
_SECCOMP: Final = (317, 277)
_CLONE_THREAD: Final = 0x00010000
_F_GETFD, _F_GETFL = 1, 3

_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT: Final = 0x40000000
_FILTER_ALL_THREADS: Final = 1  # SECCOMP_FILTER_FLAG_TSYNC
_SET_FILTER: Final = 1  # SECCOMP_SET_MODE_FILTER

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24


class _Program(ctypes.Structure):
    """sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def allow_only_decoding() -> str:
    """Refuse every other system call to all threads of this process, and say how many are allowed."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise LayerUnavailable(f"there is no list of system calls for {machine}")
    column, architecture = _ARCHITECTURES[machine]
    code = _filter(column, architecture, os.getpid())
    program = _Program(len(code) // 8, code)
    stuck = system_call(
        _SECCOMP[column], ctypes.c_uint(_SET_FILTER), ctypes.c_uint(_FILTER_ALL_THREADS), ctypes.byref(program)
    )
    if stuck:
        raise LayerUnavailable(f"thread {stuck} has a filter of its own")
    return f"{len(_ALLOWED)} system calls"


def _filter(column: int, architecture: int, own_pid: int) -> bytes:
    """Return the filter as BPF: eight bytes per instruction."""
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, if_true=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32_BIT, if_false=1),
        _step(_RETURN, _REFUSE),
    ]
    for numbers in _ALLOWED.values():
        if (number := numbers[column]) is not None:
            code += [_step(_EQUAL, number, if_false=1), _step(_RETURN, _ALLOW)]
    # The C library falls back to clone, whose flags can be looked at: threads may be started, processes may not.
    code += [_step(_EQUAL, _CLONE3[column], if_false=1), _step(_RETURN, _UNKNOWN)]
    code += _only_if(_CLONE[column], _FIRST_ARGUMENT, _ANY_BIT, _CLONE_THREAD)
    code += _only_if(_TGKILL[column], _FIRST_ARGUMENT, _EQUAL, own_pid)  # abort()
    code += _only_if(_PRLIMIT[column], _FIRST_ARGUMENT, _EQUAL, 0)
    code += _only_if(_FCNTL[column], _SECOND_ARGUMENT, _EQUAL, _F_GETFD)
    code += _only_if(_FCNTL[column], _SECOND_ARGUMENT, _EQUAL, _F_GETFL)
    code.append(_step(_RETURN, _REFUSE))
    return b"".join(code)


def _only_if(number: int, argument: int, test: int, value: int) -> list[bytes]:
    """Return steps that allow a call whose argument passes the test, and leave the number loaded else."""
    return [
        _step(_EQUAL, number, if_false=4),
        _step(_LOAD, argument),
        _step(test, value, if_false=1),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _NUMBER),
    ]


def _step(operation: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
