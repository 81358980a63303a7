"""What an engine can do to others while it holds a photo: nothing. Each attempt is made inside a live engine."""

import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.pool import Engine
from loppestars_imaging.engine.settings import EngineSettings, Sandbox
from loppestars_imaging.errors import UnreadablePhoto

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the box is made of what Linux offers")

TASK = Task(mode="blur", cell_pixels=0, least_side=0, jpeg_only=True)
MARK = b"\xff\xd8\xff attempts"

# Runs at the start of the engine: a photo that begins with the mark makes it try everything and report in the refusal.
ATTEMPTS = """
import ctypes, fcntl, importlib.abc, importlib.util, json, os, resource, signal, socket, subprocess, sys, threading
MARK, VICTIM, FOLDER = {mark!r}, {victim!r}, {folder!r}
libc = ctypes.CDLL(None, use_errno=True)
parent, early, null = os.getppid(), socket.socket(), os.open("/dev/null", os.O_RDWR)

def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def fork():
    if os.fork() == 0:
        os._exit(0)

def in_a_thread():
    caught = []
    def act():
        try:
            open("/etc/passwd").close()
        except OSError as error:
            caught.append(error)
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]

TRIED = {{
    "read a file": lambda: open("/etc/passwd").read(),
    "read a file in a thread": in_a_thread,
    "read the parent's environment": lambda: open(f"/proc/{{parent}}/environ", "rb").read(),
    "list a folder": lambda: os.listdir("/"),
    "open by descriptor": lambda: os.open(f"/proc/self/fd/{{null}}", os.O_RDONLY),
    "write a file": lambda: os.open(FOLDER + "/made", os.O_CREAT | os.O_WRONLY),
    "remove a file": lambda: os.unlink(VICTIM),
    "change a file's mode": lambda: os.chmod(VICTIM, 0o777),
    "make a link": lambda: os.symlink("/etc/passwd", FOLDER + "/link"),
    "make a socket": lambda: socket.socket(),
    "make a pair of sockets": lambda: socket.socketpair(),
    "connect": lambda: early.connect(("127.0.0.1", 9)),
    "bind": lambda: early.bind(("127.0.0.1", 0)),
    "start a process": fork,
    "start a program": lambda: subprocess.run(["/bin/true"], check=True),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "trace the parent": lambda: checked(libc.ptrace(0x4206, parent, None, None)),
    "read the parent's memory": lambda: checked(libc.process_vm_readv(parent, None, 0, None, 0, 0)),
    "signal the parent": lambda: os.kill(parent, signal.SIGCONT),
    "signal by descriptor": lambda: fcntl.fcntl(null, fcntl.F_SETOWN, parent),
    "bound the parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, (10, 10)),
    "mount": lambda: checked(libc.mount(b"none", FOLDER.encode(), b"tmpfs", 0, None)),
    "leave the namespace": lambda: checked(libc.unshare(0x20000)),
    "make a file in memory": lambda: os.memfd_create("hidden"),
    "load a kernel filter": lambda: checked(libc.syscall(321, 0, None, 0)),
}}

def report():
    found = {{}}
    for name, attempt in TRIED.items():
        try:
            attempt()
            found[name] = "done"
        except OSError as error:
            found[name] = error.strerror
    return found

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "loppestars_imaging.pipeline":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            usual = module.Anonymiser.anonymise
            def anonymise(self, data, *arguments, **options):
                if data.startswith(MARK):
                    from loppestars_imaging.errors import UnreadablePhoto
                    raise UnreadablePhoto(json.dumps(report()))
                return usual(self, data, *arguments, **options)
            module.Anonymiser.anonymise = anonymise
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
async def attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., object]]:
    """Makes every attempt inside a live engine, and returns what each came to."""
    (tmp_path / "victim").write_text("still here")
    names = {"mark": MARK, "victim": str(tmp_path / "victim"), "folder": str(tmp_path)}
    (tmp_path / "sitecustomize.py").write_text(ATTEMPTS.format(**names))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    engines: list[Engine] = []

    async def attempt(sandbox: Sandbox) -> dict[str, str]:
        engines.append(Engine(EngineSettings(engine_sandbox=sandbox)))
        with pytest.raises(UnreadablePhoto) as refusal:
            await engines[-1].anonymise(MARK, TASK)
        found: dict[str, str] = json.loads(str(refusal.value).partition(": ")[2].removesuffix("."))
        return found

    yield attempt
    for engine in engines:
        await engine.stop()


class TestBox:
    async def test_every_attempt_is_refused(self, attempts: Callable[..., object], tmp_path: Path) -> None:
        """No file, socket, program or other process, from the main thread or another."""
        found = await attempts(Sandbox.REQUIRED)  # type: ignore[misc]  # the fixture's coroutine
        assert len(found) == 25
        refused = {"Operation not permitted", "Permission denied"}
        assert {name: said for name, said in found.items() if said not in refused} == {}
        assert (tmp_path / "victim").read_text() == "still here"

    async def test_layers_are_reported(self) -> None:
        """The parent learns which layers hold; these two hold on every Linux of today."""
        engine = Engine(EngineSettings())
        await engine.start()
        try:
            holding = {layer.name for layer in engine.layers if layer.holds}
            assert {layer.name for layer in engine.layers} == {"namespaces", "no_new_privs", "landlock", "seccomp"}
            assert {"no_new_privs", "seccomp"} <= holding
        finally:
            await engine.stop()

    async def test_off(self) -> None:
        """Whoever switches it off gets no box, and is not told otherwise."""
        engine = Engine(EngineSettings(engine_sandbox=Sandbox.OFF))
        await engine.start()
        assert engine.layers == []
        await engine.stop()
