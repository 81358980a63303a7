"""Opens a model in onnxruntime the way a worker needs it: one thread, no spinning, small memory."""

import numpy as np
import numpy.typing as npt
import onnxruntime

from loppestars_imaging.errors import DetectionFailed, DetectorUnavailable

Tensor = npt.NDArray[np.float32]


class Session:
    """A model on the CPU."""

    def __init__(self, model: bytes) -> None:
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

    def run(self, tensor: Tensor) -> dict[str, Tensor]:
        """Return the named outputs for one (1, 3, rows, columns) input; raise DetectionFailed."""
        try:
            values = self._session.run(self.outputs, {self._input: tensor})
        except Exception as error:
            raise DetectionFailed("The face detector failed on this photo.") from error
        if not all(np.isfinite(value).all() for value in values):
            raise DetectionFailed("The face detector answered with values that are no numbers.")
        return dict(zip(self.outputs, values, strict=True))
