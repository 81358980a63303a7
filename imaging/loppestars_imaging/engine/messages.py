"""What goes over an engine's pipes: a JSON head and a body, each after its length.

The peer is a process of ours, but one that decodes hostile photos: its parent bounds every length.
"""

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from loppestars_imaging.engine.sandbox.layers import Layer
from loppestars_imaging.options import Shape

if TYPE_CHECKING:  # faces are arrays, and a worker's parent loads no numpy
    from loppestars_imaging.faces import Face

LENGTHS: Final = struct.Struct("!II")
MAX_HEAD: Final = 1024 * 1024
"""Bytes: room for the boxes of some ten thousand faces."""
NO_DETECTOR: Final = 3
"""Exit code of an engine that could not load its model."""
NO_BOX: Final = 4
"""Exit code of an engine that must be confined and cannot be."""

Box = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message: the model is loaded. `layers` of the box, each with a name, whether it holds, and details."""

    layers: list[Layer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to anonymise; its bytes are the body."""

    mode: str
    cell_pixels: int
    least_side: int
    jpeg_only: bool
    shape: str = Shape.ELLIPSE
    copies: bool = False
    """Whether the smaller copies are wanted, too."""
    covers: list[list[float]] | None = None
    """Boxes that are covered instead of what is found: x, y, width, height as shares of the upright photo."""
    blur_strength: int = 31
    max_side: int = 0


@dataclass(frozen=True, slots=True)
class SmallerCopy:
    """A smaller copy of the result, a JPEG: the next `size` bytes of the body."""

    kind: str
    width: int
    height: int
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it: with `code` None the body is the result and its `copies`. `rss` in bytes, after the photo.

    `boxes` are x, y, width, height in pixels of the upright photo, and score, one for each of the `faces`; `scale` is
    the published side over the photo's. `worn_out` asks for a new engine: something of this photo is left in its
    memory.
    """

    code: str | None
    message: str = ""
    content_type: str = ""
    width: int = 0
    height: int = 0
    faces: int = 0
    boxes: list[Box] = field(default_factory=list)
    scale: float = 1.0
    copies: list[SmallerCopy] = field(default_factory=list)
    rss: int = 0
    worn_out: bool = False


def rounded(face: "Face") -> Box:
    """Return a face's box and score with the digits that mean something."""
    return round(face.x, 1), round(face.y, 1), round(face.width, 1), round(face.height, 1), round(face.score, 3)


def pack(head: Ready | Task | Answer, body: bytes = b"") -> list[bytes]:
    """Return the parts of a message."""
    text = json.dumps(asdict(head)).encode()
    return [LENGTHS.pack(len(text), len(body)), text, body]


def parse_ready(text: bytes) -> Ready:
    """Return what an engine says when it has started; raise ValueError for anything else."""
    values: Any = json.loads(text)
    try:
        return Ready([Layer(**layer) for layer in values["layers"]])
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None


def parse_answer(text: bytes) -> Answer:
    """Return the answer; raise ValueError for anything else."""
    values: Any = json.loads(text)
    try:
        copies = [SmallerCopy(**copy) for copy in values.pop("copies", ())]
        return Answer(copies=copies, **values)
    except TypeError as error:
        raise ValueError(str(error)) from None


def read_task(stream: BinaryIO) -> tuple[Task, bytes] | None:
    """Return the next task; None when the parent has closed the pipe."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    task = Task(**json.loads(stream.read(head)))
    data = stream.read(body)
    return (task, data) if len(data) == body else None
