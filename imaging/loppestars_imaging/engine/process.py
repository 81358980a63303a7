"""The process that holds a photo: `python -m loppestars_imaging.engine.process`, started by `pool`.

It reads tasks from stdin and answers on stdout until stdin closes. Its memory is bounded by the kernel; what breaks
it ends this process and nothing else.
"""

import argparse
import contextlib
import ctypes
import fcntl
import functools
import os
import resource
import select
import sys
from typing import BinaryIO, Final

import cv2

from loppestars_imaging.copies import smaller_copies
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.engine.confinement import bind_to_parent, bound_memory
from loppestars_imaging.engine.messages import (
    NO_BOX,
    NO_DETECTOR,
    Answer,
    Ready,
    SmallerCopy,
    Task,
    pack,
    read_task,
    rounded,
)
from loppestars_imaging.engine.sandbox.layers import close_box, leave_namespaces
from loppestars_imaging.engine.settings import Sandbox
from loppestars_imaging.engine.warm_up import warm_up
from loppestars_imaging.errors import ImagingError, NotProcessed
from loppestars_imaging.inspect import CONTENT_TYPES, Limits
from loppestars_imaging.options import Options, Orientations, Shape, Style
from loppestars_imaging.pipeline import Anonymised, Anonymiser
from loppestars_jpeg.library import abandoned_calls

_IDLE_SECONDS: Final = 1.0
_NO_MEMORY: Final = -4  # cv::Error::StsNoMem
_PIPE_BYTES: Final = 1024 * 1024


def main() -> None:
    """Serve until the parent closes the pipe."""
    parser = argparse.ArgumentParser(prog="loppestars-imaging-engine", description=__doc__)
    parser.add_argument("--max-pixels", type=int, required=True)
    parser.add_argument("--max-bytes", type=int, required=True)
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--style", type=Style, required=True)
    parser.add_argument("--min-confidence", type=float, required=True)
    parser.add_argument("--orientations", type=Orientations, required=True)
    parser.add_argument("--sandbox", type=Sandbox, required=True)
    arguments = parser.parse_args()
    bind_to_parent()
    resident_bytes()
    bound_memory(arguments.memory_mib)
    _widen_pipes()
    # Codecs write warnings to stdout's descriptor: the pipe of answers must be out of their reach.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        detector = YuNet()
    except ImagingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NO_DETECTOR)
    confined = arguments.sandbox is not Sandbox.OFF
    # Before any thread starts, and after what may be readable by capabilities only.
    layers = [leave_namespaces()] if confined else []
    anonymiser = Anonymiser(detector, limits=Limits(arguments.max_pixels, arguments.max_bytes))
    if confined:
        warm_up(anonymiser)
        layers += close_box()
        if arguments.sandbox is Sandbox.REQUIRED and not layers[-1].holds:
            sys.stderr.write(f"system calls cannot be filtered: {layers[-1].detail}\n")
            sys.exit(NO_BOX)
    server = Server(anonymiser, arguments.style, arguments.min_confidence, arguments.orientations)
    try:
        _serve(server, answers, Ready(layers))
    except BrokenPipeError:
        os._exit(0)  # the parent has gone: there is no reader any more


def _serve(server: "Server", answers: BinaryIO, ready: Ready) -> None:
    answers.writelines(pack(ready))
    answers.flush()
    while True:
        # Memory is kept for a photo that follows at once, and given back when none does.
        if not select.select([sys.stdin], [], [], _IDLE_SECONDS)[0]:
            _give_memory_back()
        received = read_task(sys.stdin.buffer)
        if received is None:
            return
        answers.writelines(pack(*server.answer(*received)))
        answers.flush()


class Server:
    """Answers one task after the other."""

    def __init__(self, anonymiser: Anonymiser, floor: Style, min_confidence: float, orientations: Orientations) -> None:
        self._anonymiser = anonymiser
        self._floor = floor
        self._min_confidence = min_confidence
        self._orientations = orientations

    def answer(self, task: Task, data: bytes) -> tuple[Answer, bytes]:
        """Return what became of the photo. Anything unexpected raises and ends the process: nothing is published."""
        try:
            result = self.anonymise(task, data)
            copies = smaller_copies(result) if task.copies else []
        except ImagingError as error:
            return Answer(error.code, str(error), rss=resident_bytes(), worn_out=abandoned_calls() > 0), b""
        except (MemoryError, cv2.error) as error:
            if isinstance(error, cv2.error) and error.code != _NO_MEMORY:
                raise
            # Bounded on purpose (ENGINE_MEMORY_MIB); another attempt would end the same way.
            sentence = "The photo needs more memory than one photo may take."
            return Answer(NotProcessed.code, sentence, rss=resident_bytes(), worn_out=True), b""
        answer = Answer(
            None,
            copies=[SmallerCopy(copy.kind, copy.width, copy.height, len(copy.data)) for copy in copies],
            content_type=CONTENT_TYPES[result.format],
            width=result.width,
            height=result.height,
            faces=len(result.faces),
            boxes=[rounded(face) for face in result.faces],
            scale=result.scale,
            rss=resident_bytes(),
            worn_out=abandoned_calls() > 0,
        )
        return answer, b"".join((result.data, *(copy.data for copy in copies)))

    def anonymise(self, task: Task, data: bytes) -> Anonymised:
        """Run the pipeline as the task and this installation want it; raise an ImagingError."""
        return self._anonymiser.anonymise(data, self._options(task), jpeg_only=task.jpeg_only)

    def _options(self, task: Task) -> Options:
        """Return what the request asks for on top of what this installation always does."""
        wished = Style.SMOOTH if task.mode == "blur" else Style.MOSAIC
        style = Style.SOLID if self._floor is Style.SOLID else wished
        if self._floor is Style.SMOOTH and wished is Style.MOSAIC:
            style = Style.SMOOTH
        return Options(
            style=style,
            cell_pixels=task.cell_pixels,
            blur_strength=task.blur_strength,
            max_side=task.max_side,
            least_side=task.least_side,
            min_confidence=self._min_confidence,
            orientations=self._orientations,
            shape=Shape(task.shape),
            covers=None if task.covers is None else tuple(tuple(box) for box in task.covers),
        )


def resident_bytes() -> int:
    """Return the resident memory of this process, or its peak where the system does not report it."""
    statm = _statm()
    if statm is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(os.pread(statm, 256, 0).split()[1]) * resource.getpagesize()


@functools.cache
def _statm() -> int | None:
    """Open this process's memory figures, once and early: later no file can be opened."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return None


def _widen_pipes() -> None:
    """Let a photo pass in a few pieces; a pipe holds 64 KiB unless told."""
    if sys.platform == "linux":
        for stream in (sys.stdin, sys.stdout):
            with contextlib.suppress(OSError):  # no pipe, or more than this user may take
                fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _give_memory_back() -> None:
    """Give free memory back to the system while there is nothing to do."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


if __name__ == "__main__":
    main()
