"""Pictures of terminals for README and docs, made by running the commands: docs/pictures/terminal-*.svg.

    .venv/bin/python -m tools.terminal_pictures [NAME…]

A command runs in a terminal of its own (a pseudo-terminal, https://docs.python.org/3/library/pty.html); pyte keeps
the screen that a person would see, rich draws it.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tools.house import REPOSITORY

PICTURES: Final = REPOSITORY / "docs" / "pictures"
COLUMNS: Final = 118
LINES: Final = 60
_SECONDS: Final = 240
_FONT_FACE: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
# pyte's names of colours are those of terminals; rich's differ in some.
_HUES: Final = ("black", "red", "green", "blue", "magenta", "cyan", "white")
_COLOURS: Final = {
    "default": None,
    "brown": "yellow",
    "brightbrown": "bright_yellow",
    **{f"bright{hue}": f"bright_{hue}" for hue in _HUES},
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is typed, after which words a command that goes on is ended as Ctrl-C does, and what runs beside it."""

    command: str
    until: bytes | None = None
    beside: "Picture | None" = None


_PLATFORM: Final = Picture("make run", until=b"is ready at")
COMMANDS: Final = {
    "run": _PLATFORM,
    "blur": Picture(".venv/bin/loppestars-imaging blur tests/imaging/photos -o {scratch}/shareable"),
    "doctor": Picture(".venv/bin/loppestars-imaging doctor"),
    "crawl": Picture(".venv/bin/loppestars-crawler crawl --local", beside=_PLATFORM),
    # In the cluster and namespace of KUBECONFIG's context; drawn only where that is set.
    "kubectl": Picture("kubectl loppestars status"),
}


@contextmanager
def recorded(picture: Picture, environment: dict[str, str]) -> Iterator[bytes]:
    """Run a command in a terminal, and yield what it writes until it ends or says the words that are waited for.

    Raises:
        TimeoutError: it does neither.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = picture.command.format(scratch=environment["SCRATCH"])
    process = subprocess.Popen(  # noqa: S602 - the commands above
        command, shell=True, cwd=REPOSITORY, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield _read_until(ours, process, picture.until)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
        os.close(ours)


def _read_until(terminal: int, process: subprocess.Popen[bytes], until: bytes | None) -> bytes:
    written = b""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                written += os.read(terminal, 65536)
            except OSError:  # the terminal's last program has ended
                return written
        elif process.poll() is not None or (until is not None and until in written):
            return written
    raise TimeoutError(f"{process.args!r} does not end")


def screen_of(written: bytes, private: dict[str, str]) -> pyte.Screen:
    """Return the screen after all that was written, with names of this machine's folders replaced."""
    for path, shown in private.items():
        written = written.replace(path.encode(), shown.encode())
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(screen).feed(written)
    return screen


def text_of(screen: pyte.Screen) -> Text:
    """Return the screen as rich's text, without the empty lines at its end."""
    lines = []
    for row in range(screen.lines):
        line = Text()
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            style = Style(color=_COLOURS.get(cell.fg, cell.fg if cell.fg.isalpha() else f"#{cell.fg}"), bold=cell.bold)
            line.append(cell.data, style)
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def draw(name: str, picture: Picture, environment: dict[str, str]) -> Path:
    """Run one command and write its picture."""
    private = {f"{REPOSITORY}/": "", environment["DATA_DIR"]: ".loppestars", f"{environment['SCRATCH']}/": ""}
    with ExitStack() as stack:
        if picture.beside is not None:
            stack.enter_context(recorded(picture.beside, environment))
        screen = screen_of(stack.enter_context(recorded(picture, environment)), private)
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115 - nothing is written
    shown = picture.command.replace("{scratch}/", "")
    console.print(Text.assemble(("$ ", "bold green"), (shown, "bold")), soft_wrap=True)
    console.print(text_of(screen))
    target = PICTURES / f"terminal-{name}.svg"
    svg = console.export_svg(title=shown, unique_id=f"terminal-{name}")
    # A picture asks nobody for a font: the reader's own will do.
    target.write_text(_FONT_FACE.sub("", svg), encoding="utf-8")
    return target


def main(names: list[str]) -> int:
    """Draw the pictures that are named, or all; what they run works in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as scratch:
        known = [name for name in COMMANDS if name != "kubectl" or "KUBECONFIG" in os.environ]
        for name in names or known:
            environment = {
                **os.environ,
                "SCRATCH": scratch,
                "DATA_DIR": f"{scratch}/{name}",
                "TERM": "xterm-256color",
                "COLUMNS": str(COLUMNS),
                "LINES": str(LINES),
            }
            sys.stdout.write(f"Wrote {draw(name, COMMANDS[name], environment).relative_to(REPOSITORY)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
