"""`loppestars-imaging doctor`: what is used on this machine, and whether it is the fast path."""

import importlib.metadata
import os
import platform
import sys
import time

import cv2
import numpy as np
import PIL
import pillow_heif
from PIL import features

from loppestars_core.exit_codes import ExitCode
from loppestars_imaging.detectors.session import cpu_features, uses_openvino
from loppestars_imaging.detectors.weights import YUNET_S
from loppestars_imaging.detectors.yunet import YuNet
from loppestars_imaging.errors import ImagingError
from loppestars_imaging.jpeg.library import load_library

_FEATURES = (
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


def run() -> int:
    """Print what is used; return 0 when photos can be processed, 1 when not."""
    lines, ready = _report()
    sys.stdout.write("".join(f"{name:<14} {value}\n" for name, value in lines))
    return ExitCode.DONE if ready else ExitCode.FAILED


def _report() -> tuple[list[tuple[str, str]], bool]:
    lines = [
        ("python", f"{platform.python_version()} on {platform.machine()}"),
        ("cpu", f"{os.cpu_count()} cores, {_cpu_features() or 'features unknown'}"),
        ("runtimes", ", ".join(f"{name} {_version(name)}" for name in ("onnxruntime", "openvino"))),
        ("opencv", cv2.__version__),
        ("pillow", f"{PIL.__version__}, {_codecs()}"),
        ("libheif", pillow_heif.libheif_version()),
    ]
    model, runtime, ready = _model()
    lines += [("model", model), ("runs in", runtime)]
    library = load_library()
    if library is None:
        lines.append(("libjpeg-turbo", "not found: install pillow from its wheel, or Debian's libjpeg62-turbo"))
        lines.append(("path", "slow: JPEGs are decoded and encoded"))
    else:
        lines.append(("libjpeg-turbo", library.path))
        lines.append(("path", "fast: JPEGs are edited in their blocks, everything else stays bit-exact"))
    lines.append(("verdict", "ready" if ready else "NOT READY: no photo can be processed"))
    return lines, ready


def _model() -> tuple[str, str, bool]:
    try:
        detector = YuNet()
        picture = np.zeros((480, 640, 3), np.uint8)
        detector.detect(picture, 1.0)
        started = time.perf_counter()
        detector.detect(picture, 1.0)
        milliseconds = (time.perf_counter() - started) * 1000
    except ImagingError as error:
        return f"MISSING. {error}", "none", False
    return (
        f"{detector.name}, sha256 {YUNET_S.sha256[:16]}…, 640 x 480 in {milliseconds:.0f} ms",
        f"{detector.runtime}, one thread a photo; {_why(detector.runtime)}",
        True,
    )


def _why(runtime: str) -> str:
    """Say why this runtime, and whether another one could be had."""
    if uses_openvino(cpu_features(), installed=True):
        if runtime.startswith("OpenVINO"):
            return "the faster one, because this CPU has amx_bf16"
        return "the slower one: this CPU has amx_bf16, for which the package openvino has to be installed"
    return "the faster one, because this CPU has no amx_bf16"


def _codecs() -> str:
    names = ("jpg", "webp", "avif")
    return ", ".join(f"{name} {features.version(name) or 'missing'}" for name in names)


def _cpu_features() -> str:
    return " ".join(name for name in _FEATURES if name in cpu_features())


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
