"""Finds and loads libjpeg-turbo, and turns its fatal errors into exceptions.

The wheel of Pillow carries libjpeg-turbo as a shared library, so it is present wherever this package is; Debian's
`libjpeg62-turbo` is the second choice. Where neither can be used, `load_library` returns None and photos are decoded
and encoded instead.

libjpeg reports a fatal error through a callback that must not return (C programs leave it by longjmp, which Python
cannot). Every call is therefore made on a thread of its own: when the callback runs, that thread is parked and
`LibjpegGaveUp` is raised in the caller. The memory of such a photo is lost until the process is recycled, which the
engine does after any error.
"""

import ctypes as c
import ctypes.util
import functools
import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from loppestars_jpeg import structs
from loppestars_jpeg.errors import LibjpegGaveUp

Result = TypeVar("Result")
_MAX_WARNINGS: Final = 100


class Library:
    """The functions of libjpeg that are used, with their types."""

    def __init__(self, path: str) -> None:
        self.path = path
        lib = c.CDLL(path)
        handle = c.c_void_p
        self.std_error = _declare(lib, "jpeg_std_error", c.c_void_p, c.POINTER(structs.ErrorManager))
        self.create_decompress = _declare(lib, "jpeg_CreateDecompress", None, handle, c.c_int, c.c_size_t)
        self.create_compress = _declare(lib, "jpeg_CreateCompress", None, handle, c.c_int, c.c_size_t)
        self.mem_src = _declare(lib, "jpeg_mem_src", None, handle, c.c_void_p, c.c_ulong)
        self.mem_dest = _declare(
            lib, "jpeg_mem_dest", None, handle, c.POINTER(c.POINTER(c.c_ubyte)), c.POINTER(c.c_ulong)
        )
        self.read_header = _declare(lib, "jpeg_read_header", c.c_int, handle, c.c_int)
        self.start_decompress = _declare(lib, "jpeg_start_decompress", c.c_int, handle)
        self.has_multiple_scans = _declare(lib, "jpeg_has_multiple_scans", c.c_int, handle)
        self.finish_decompress = _declare(lib, "jpeg_finish_decompress", c.c_int, handle)
        self.consume_input = _declare(lib, "jpeg_consume_input", c.c_int, handle)
        self.start_output = _declare(lib, "jpeg_start_output", c.c_int, handle, c.c_int)
        self.read_scanlines = _declare(lib, "jpeg_read_scanlines", c.c_uint, handle, c.c_void_p, c.c_uint)
        self.finish_output = _declare(lib, "jpeg_finish_output", c.c_int, handle)
        self.read_coefficients = _declare(lib, "jpeg_read_coefficients", c.POINTER(c.c_void_p), handle)
        self.copy_critical_parameters = _declare(lib, "jpeg_copy_critical_parameters", None, handle, handle)
        self.simple_progression = _declare(lib, "jpeg_simple_progression", None, handle)
        self.write_coefficients = _declare(lib, "jpeg_write_coefficients", None, handle, c.POINTER(c.c_void_p))
        self.write_marker = _declare(lib, "jpeg_write_marker", None, handle, c.c_int, c.c_char_p, c.c_uint)
        self.finish_compress = _declare(lib, "jpeg_finish_compress", None, handle)
        self.destroy_decompress = _declare(lib, "jpeg_destroy_decompress", None, handle)
        self.destroy_compress = _declare(lib, "jpeg_destroy_compress", None, handle)
        self.free = _declare(c.CDLL(None), "free", None, c.c_void_p)

    def check(self) -> None:
        """Raise LibjpegGaveUp when the library's structures differ from ours."""
        guard = Guard(self)
        handle = structs.Decompress()
        handle.err = c.pointer(guard.manager)
        guard.run(lambda: self.create_decompress(c.byref(handle), structs.LIB_VERSION, c.sizeof(handle)))
        guard.run(lambda: self.destroy_decompress(c.byref(handle)))


def _declare(lib: c.CDLL, name: str, result: object, *arguments: object) -> Callable[..., int]:
    function = getattr(lib, name)
    function.restype = result
    function.argtypes = list(arguments)
    return function  # type: ignore[no-any-return]  # ctypes functions have no static type


class Guard:
    """Error manager of one photo; runs calls so that a fatal error becomes `LibjpegGaveUp`."""

    def __init__(self, library: Library) -> None:
        self.manager = structs.ErrorManager()
        library.std_error(c.byref(self.manager))
        self._message = ""
        self._done = threading.Event()
        self.warnings: list[str] = []
        # The callbacks are attributes because C keeps only their address.
        self._on_exit = structs.ErrorCallback(self._give_up)
        self._on_message = structs.MessageCallback(self._note_message)
        self.manager.error_exit = self._on_exit
        # libjpeg's own function passes on the first warning only, and damage may follow something harmless.
        self.manager.emit_message = self._on_message
        self.abandoned = False

    def run(self, step: Callable[[], Result]) -> Result:
        """Run `step` on its own thread; raise LibjpegGaveUp when libjpeg does not come back from it."""
        outcome: list[Result] = []
        failure: list[BaseException] = []

        def body() -> None:
            try:
                outcome.append(step())
            except BaseException as error:  # noqa: BLE001 - handed to the caller below
                failure.append(error)
            self._done.set()

        self._done.clear()
        threading.Thread(target=body, daemon=True, name="libjpeg").start()
        self._done.wait()
        if failure:
            raise failure[0]
        if self.abandoned:
            raise LibjpegGaveUp(self._message)
        return outcome[0]

    def _give_up(self, handle: int) -> None:
        self.abandoned = True
        _PARKED.append(self)
        self._message = self._format(handle)
        self._done.set()
        threading.Event().wait()

    def _note_message(self, handle: int, level: int) -> None:
        """Keep warnings, which have a level below zero, and not what libjpeg says about its work."""
        if level >= 0:
            return
        self.manager.num_warnings += 1
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(self._format(handle))

    def _format(self, handle: int) -> str:
        text = c.create_string_buffer(200)
        self.manager.format_message(handle, text)
        return text.value.decode("ascii", "replace")


_PARKED: list[Guard] = []  # keeps what abandoned threads still point to


def abandoned_calls() -> int:
    """Return how many fatal errors this process has parked a thread for: from one on, it should be replaced."""
    return len(_PARKED)


@functools.cache
def load_library() -> Library | None:
    """Return libjpeg-turbo, or None where no usable copy is installed."""
    bundled: list[str] = []
    pillow = importlib.util.find_spec("PIL")
    if pillow is not None and pillow.origin is not None:
        package = Path(pillow.origin).parent
        found = [*package.parent.glob("[pP]illow.libs/libjpeg-*.so.62*"), *package.glob(".dylibs/libjpeg.62*.dylib")]
        bundled = [str(path) for path in sorted(found)]
    for path in (*bundled, ctypes.util.find_library("jpeg")):
        if path is None or ((path.endswith(".so") or ".so." in path) and ".so.62" not in path):
            continue
        try:
            library = Library(path)
            library.check()
        except (OSError, AttributeError, LibjpegGaveUp):
            continue
        return library
    return None
