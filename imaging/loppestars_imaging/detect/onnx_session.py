"""A network in onnxruntime."""

import numpy as np
import onnxruntime

from loppestars_imaging.detect.network import Outputs, checked
from loppestars_imaging.errors import DetectionFailed, DetectorUnavailable
from loppestars_imaging.faces import Bgr


class OnnxSession:
    """A model that takes (1, 3, rows, columns) float32: one thread, no spinning."""

    def __init__(self, model: bytes) -> None:
        self.runtime = f"onnxruntime {onnxruntime.__version__}, float32"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # photos are worked on side by side by processes, not threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime raises many kinds
            raise DetectorUnavailable("The face detector's weights are not a model this runtime can open.") from error
        self._input = self._session.get_inputs()[0].name
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, picture: Bgr) -> Outputs:
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
        try:
            values = self._session.run(self.outputs, {self._input: tensor})
        except Exception as error:
            raise DetectionFailed("The face detector failed on this photo.") from error
        return checked(dict(zip(self.outputs, values, strict=True)))
