"""What goes over an engine's pipes: a JSON head and a body, each after its length.

The peer is a process of ours, but one that decodes hostile photos: its parent bounds every length.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

LENGTHS = struct.Struct("!II")
MAX_HEAD = 64 * 1024
NO_DETECTOR = 3
"""Exit code of an engine that could not load its model."""


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to anonymise; its bytes are the body."""

    mode: str
    cell_pixels: int
    least_side: int
    jpeg_only: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it: with `code` None the body is the result. `rss` in bytes, after the photo.

    `worn_out` asks for a new engine: something of this photo is left in its memory.
    """

    code: str | None
    message: str = ""
    content_type: str = ""
    width: int = 0
    height: int = 0
    faces: int = 0
    rss: int = 0
    worn_out: bool = False


def pack(head: Task | Answer | None, body: bytes = b"") -> list[bytes]:
    """The parts of one message; None as head says that the engine is ready."""
    text = json.dumps(None if head is None else asdict(head)).encode()
    return [LENGTHS.pack(len(text), len(body)), text, body]


def parse_answer(text: bytes) -> Answer:
    """Raise ValueError for anything that is no answer."""
    values: Any = json.loads(text)
    try:
        return Answer(**values)
    except TypeError as error:
        raise ValueError(str(error)) from None


def read_task(stream: BinaryIO) -> tuple[Task, bytes] | None:
    """The next task; None when the parent has closed the pipe."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    task = Task(**json.loads(stream.read(head)))
    data = stream.read(body)
    return (task, data) if len(data) == body else None
