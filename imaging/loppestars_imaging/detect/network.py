"""The interface of a network that runs on the CPU, whatever runtime it runs in."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from loppestars_imaging.errors import DetectionFailed
from loppestars_imaging.faces import Bgr

Tensor = npt.NDArray[np.float32]
Outputs = dict[str, Tensor]


class Session(Protocol):
    """A network on the CPU, one thread. Not thread-safe."""

    runtime: str
    """Name, version and number format, for logs and reports."""

    def run(self, picture: Bgr) -> Outputs:
        """Return the named outputs for one picture, valid until the next call; raise DetectionFailed."""
        ...


def checked(outputs: Outputs) -> Outputs:
    """Return the outputs; raise DetectionFailed when a value is no number."""
    if not all(np.isfinite(value).all() for value in outputs.values()):
        raise DetectionFailed("The face detector answered with values that are not numbers.")
    return outputs
