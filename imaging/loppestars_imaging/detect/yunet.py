"""YuNet "s" (2023mar): Wu, Peng & Yu, "YuNet: A Tiny Millisecond-level Face Detector", MIR 2023.

Anchor-free: each cell of three grids (stride 8, 16, 32) gives a class score, an objectness and a box. The score is
their geometric mean, the box is centre offset and log size in units of the stride.
"""

from typing import Final

import numpy as np

from loppestars_imaging.detect.network import Outputs
from loppestars_imaging.detect.onnx_graph import free_size
from loppestars_imaging.detect.runtime import open_session
from loppestars_imaging.detect.weights import YUNET_S
from loppestars_imaging.faces import Bgr, Boxes

_STRIDES: Final = (8, 16, 32)
OUTPUTS: Final = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in _STRIDES)


class YuNet:
    """The product's detector."""

    name = "YuNet-s 2023mar"
    stride = 32
    threshold = 0.5

    def __init__(self) -> None:
        """Load the pinned weights; raise DetectorUnavailable. The landmark heads are left out: nobody reads them."""
        self._session = open_session(free_size(YUNET_S.read(), OUTPUTS))
        self.runtime = self._session.runtime

    def detect(self, picture: Bgr, threshold: float) -> Boxes:
        """Return candidates in a picture whose sides are multiples of 32."""
        columns = picture.shape[1]
        outputs = self._session.run(picture)
        return np.concatenate([_decode(outputs, stride, columns, threshold) for stride in _STRIDES])


def _decode(outputs: Outputs, stride: int, columns: int, threshold: float) -> Boxes:
    # Both come out of a sigmoid: 0-1.
    product = outputs[f"cls_{stride}"].ravel() * outputs[f"obj_{stride}"].ravel()
    (chosen,) = np.nonzero(product >= threshold * threshold)
    box = outputs[f"bbox_{stride}"].reshape(-1, 4)[chosen]
    grid_columns = columns // stride
    center_x = (chosen % grid_columns + box[:, 0]) * stride
    center_y = (chosen // grid_columns + box[:, 1]) * stride
    width, height = np.exp(box[:, 2].clip(-8, 8)) * stride, np.exp(box[:, 3].clip(-8, 8)) * stride
    edges = (center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2)
    return np.stack([*edges, np.sqrt(product[chosen])], axis=1).astype(np.float32)
