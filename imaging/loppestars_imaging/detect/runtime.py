"""The choice of the runtime that a network runs in on this machine.

The rule needs no measurement. OpenVINO computes in bfloat16 on CPUs with AMX tiles, in six tenths of the time that
onnxruntime takes there; on any other CPU onnxruntime is the faster one (docs/decisions/0026-networks-in-bfloat16.md).
"""

import contextlib
import functools
import importlib.util
from pathlib import Path
from typing import Final

from loppestars_imaging.detect.network import Session
from loppestars_imaging.errors import DetectorUnavailable

_TILES_OF_BFLOAT16: Final = "amx_bf16"


def open_session(model: bytes) -> Session:
    """Open a model in the runtime that suits this CPU; raise DetectorUnavailable."""
    if uses_openvino(cpu_features(), installed=importlib.util.find_spec("openvino") is not None):
        # A broken installation of the faster one is no reason to stop; `loppestars-imaging doctor` says which one runs.
        with contextlib.suppress(DetectorUnavailable, ImportError, OSError):
            from loppestars_imaging.detect.openvino_session import OpenVinoSession  # noqa: PLC0415 - see below

            return OpenVinoSession(model)
    try:
        from loppestars_imaging.detect.onnx_session import OnnxSession  # noqa: PLC0415 - its import takes memory
    except (ImportError, OSError) as error:
        raise DetectorUnavailable(f"The library onnxruntime does not work; reinstall it: {error}") from error
    return OnnxSession(model)


def uses_openvino(features: frozenset[str], *, installed: bool) -> bool:
    """Tell whether OpenVINO is the faster runtime on a CPU with these features."""
    return installed and _TILES_OF_BFLOAT16 in features


@functools.cache
def cpu_features() -> frozenset[str]:
    """Return the features that the kernel reports of the first core; none where it does not say."""
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            words = next((line.split() for line in file if line.startswith(("flags", "Features"))), [])
    except OSError:
        return frozenset()
    return frozenset(words)
