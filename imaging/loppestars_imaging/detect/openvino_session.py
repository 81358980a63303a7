"""A network in OpenVINO, in bfloat16.

OpenVINO compiles a network for each input size, which takes a tenth of a second and some megabytes: pictures come in
the few sizes of `detect/scales.py`, each compiled when first needed.
"""

import sys
from typing import Any, Final

# OpenVINO reports its import to Google Analytics, by a process forked from a thread, unless the package that does so is
# missing. What decodes people's photos talks to nobody: to Python, it is missing.
_modules: dict[str, Any] = sys.modules
_modules["openvino_telemetry"] = None

import numpy as np  # noqa: E402 - after the above
import openvino  # noqa: E402 - after the above
from openvino.preprocess import PrePostProcessor  # noqa: E402 - after the above

from loppestars_imaging.detect.network import Outputs, checked  # noqa: E402 - after the above
from loppestars_imaging.errors import DetectionFailed, DetectorUnavailable  # noqa: E402 - after the above
from loppestars_imaging.faces import Bgr  # noqa: E402 - after the above

_CONFIGURATION: Final = {
    "INFERENCE_NUM_THREADS": 1,  # photos are worked on side by side by processes, not threads
    "NUM_STREAMS": 1,
    # Pinned, the threads of all engines on a machine would share one core.
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "bf16",
}


class OpenVinoSession:
    """A model that takes (1, 3, rows, columns) float32; pictures are converted inside."""

    def __init__(self, model: bytes) -> None:
        self.runtime = f"OpenVINO {openvino.__version__.split('-')[0]}, bfloat16"
        self._requests: dict[tuple[int, int], openvino.InferRequest] = {}
        try:
            self._core = openvino.Core()
            # Read once: an engine that holds a photo can open no file, and reading looks for plug-ins.
            self._model = self._core.read_model(model)
            self.outputs = [output.any_name for output in self._model.outputs]
        except Exception as error:  # the runtime raises many kinds
            raise DetectorUnavailable("The face detector's weights are not a model this runtime can open.") from error

    def run(self, picture: Bgr) -> Outputs:
        try:
            request = self._request(picture.shape[0], picture.shape[1])
            found = request.infer([np.ascontiguousarray(picture)[None]], share_inputs=True, share_outputs=True)
        except Exception as error:
            raise DetectionFailed("The face detector failed on this photo.") from error
        return checked({name: found[index] for index, name in enumerate(self.outputs)})

    def _request(self, rows: int, columns: int) -> openvino.InferRequest:
        """Return the network for this size, compiled at its first use."""
        if (rows, columns) not in self._requests:
            steps = PrePostProcessor(self._model.clone())
            steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
            # Converted before it is transposed, so that the transposition costs nothing: the CPU computes in NHWC.
            steps.input().preprocess().convert_element_type(openvino.Type.bf16)
            steps.input().model().set_layout(openvino.Layout("NCHW"))
            model = steps.build()
            model.reshape([1, rows, columns, 3])
            compiled = self._core.compile_model(model, "CPU", _CONFIGURATION)
            self._requests[rows, columns] = compiled.create_infer_request()
        return self._requests[rows, columns]
