"""`loppestars-imaging doctor`: what is used on this machine, and whether it is the fast path.

It is asked when something is wrong, so nothing that may be broken is imported before it can be said.
"""

import asyncio
import importlib
import importlib.metadata
import platform
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.cli import show_json
from loppestars_core.kit.logging import configure_logging
from loppestars_imaging.cli.request import available_cores
from loppestars_imaging.detect.weights import YUNET_S
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.pool import Engine
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.errors import ImagingError

_FEATURES: Final = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
)

_READY: Final = "ready"
_PARTS: Final[dict[str, Callable[[], str]]] = {}


def run_doctor(*, json: bool = False) -> int:
    """Print what is used; return 0 when photos can be processed, 1 when not."""
    configure_logging("doctor", "ERROR")
    found = {}
    for name, text in _findings():
        found[name] = text
        if not json:
            sys.stdout.write(f"{name:<17} {text}\n")
            sys.stdout.flush()
    if json:
        show_json(found)
    return ExitCode.DONE if found["verdict"] == _READY else ExitCode.FAILED


def _findings() -> Iterator[tuple[str, str]]:
    for name, describe in _PARTS.items():
        try:
            text = describe()
        except ImagingError as error:
            text = f"MISSING. {error}"
        except Exception as error:  # noqa: BLE001 - libraries break in many ways, and the next line may still be known
            text = f"BROKEN. {type(error).__name__}: {error}"
        yield name, text
    engine = Engine(EngineSettings())
    wrong = asyncio.run(_engine_trouble(engine))
    for layer in engine.layers:
        yield f"box: {layer.name}", layer.detail if layer.holds else f"MISSING. {layer.detail}"
    yield "verdict", f"NOT READY: no photo can be processed. {wrong}" if wrong else _READY


def _part(name: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register what describes a part; parts are named in this order."""

    def register(describe: Callable[[], str]) -> Callable[[], str]:
        _PARTS[name] = describe
        return describe

    return register


@_part("python")
def python() -> str:
    return f"{platform.python_version()} on {platform.machine()}"


@_part("cpu")
def cpu() -> str:
    from loppestars_imaging.detect.runtime import cpu_features  # noqa: PLC0415 - see above

    found = " ".join(name for name in _FEATURES if name in cpu_features())
    return f"{available_cores()} cores, {found or 'features unknown'}"


@_part("runtimes")
def runtimes() -> str:
    return ", ".join(f"{name} {_version(name)}" for name in ("onnxruntime", "openvino"))


@_part("opencv")
def opencv() -> str:
    return str(importlib.import_module("cv2").__version__)


@_part("pillow")
def pillow() -> str:
    import PIL  # noqa: PLC0415 - may be broken
    from PIL import features  # noqa: PLC0415 - may be broken

    codecs = ", ".join(f"{name} {features.version(name) or 'missing'}" for name in ("jpg", "webp", "avif"))
    return f"{PIL.__version__}, {codecs}"


@_part("libheif")
def libheif() -> str:
    return str(importlib.import_module("pillow_heif").libheif_version())


@_part("model")
def model() -> str:
    import numpy as np  # noqa: PLC0415 - may be broken

    from loppestars_imaging.detect.yunet import YuNet  # noqa: PLC0415 - may be broken

    detector = YuNet()
    picture = np.zeros((480, 640, 3), np.uint8)
    detector.detect(picture, 1.0)
    started = time.perf_counter()
    detector.detect(picture, 1.0)
    milliseconds = (time.perf_counter() - started) * 1000
    return f"{detector.name}, sha256 {YUNET_S.sha256[:16]}…, 640 x 480 in {milliseconds:.0f} ms"


@_part("runs in")
def runtime() -> str:
    """Name the runtime, why it is this one, and whether another one could be had."""
    from loppestars_imaging.detect.runtime import cpu_features, uses_openvino  # noqa: PLC0415 - may be broken
    from loppestars_imaging.detect.yunet import YuNet  # noqa: PLC0415 - may be broken

    found = YuNet().runtime
    if not uses_openvino(cpu_features(), installed=True):
        why = "the faster one, because this CPU has no amx_bf16"
    elif found.startswith("OpenVINO"):
        why = "the faster one, because this CPU has amx_bf16"
    elif _version("openvino") == "missing":
        why = "the slower one: this CPU has amx_bf16, for which the package openvino has to be installed"
    else:
        why = "the slower one: this CPU has amx_bf16, but the installed openvino does not work; reinstall it"
    return f"{found}, one thread per photo; {why}"


@_part("libjpeg-turbo")
def libjpeg() -> str:
    from loppestars_jpeg.library import load_library  # noqa: PLC0415 - may be broken

    library = load_library()
    return "not found: install pillow from its wheel, or Debian's libjpeg62-turbo" if library is None else library.path


@_part("path")
def path() -> str:
    from loppestars_jpeg.library import load_library  # noqa: PLC0415 - may be broken

    if load_library() is None:
        return "slow: JPEGs are decoded and encoded"
    return "fast: JPEGs are edited in their blocks, everything else stays bit-exact"


async def _engine_trouble(engine: Engine) -> str:
    """Let an engine do a small photo, as a worker and `blur` would; return what is wrong, or nothing."""
    try:
        await engine.anonymise(_small_photo(), Task("pixelate", cell_pixels=0, least_side=0, jpeg_only=True))
    except ImagingError as error:
        return str(error)
    finally:
        await engine.stop()
    return ""


def _small_photo() -> bytes:
    """Return a gray PNG of 8 x 8 pixels, made without the libraries that are to be tried."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(9 * 8))),
        (b"IEND", b""),
    )
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
