"""What `blur` is asked for."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.inspect import MEGA, MIB
from loppestars_imaging.options import Orientations, Shape, Style

_BASE_MIB: Final = 256
_MIB_PER_MEGAPIXEL: Final = 40
"""What an engine may take by default: enough for the most expensive format, a WebP with alpha."""
_DEFAULT_STRENGTH: Final = 31


def available_cores() -> int:
    """Return the cores that this process may use, which may be fewer than there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class BlurRequest:
    """The command line of `blur`, checked."""

    inputs: list[Path]
    output: Path
    style: Style = Style.SMOOTH
    strength: int | None = None
    shape: Shape = Shape.ELLIPSE
    side: int = 0
    min_confidence: float = 0.5
    orientations: Orientations = Orientations.AUTO
    jpeg: bool = False
    max_megapixels: int = 50
    max_megabytes: int = 50
    processes: int = 1
    memory: int | None = None
    timeout: int = 120
    report: Path | None = None
    preview: bool = False
    review: bool = False
    json: bool = False

    @property
    def preview_path(self) -> Path | None:
        """Where the preview is drawn, if it is wanted."""
        return self.output / "preview.jpg" if self.preview else None

    @property
    def engine_memory_mib(self) -> int:
        """Memory of an engine: as asked for, or by the largest photo."""
        return self.memory or _BASE_MIB + _MIB_PER_MEGAPIXEL * max(self.max_megapixels, 50)

    def settings(self) -> EngineSettings:
        """Return how the engines are started."""
        return EngineSettings(
            imaging_processes=self.processes,
            anonymise_style=self.style,
            min_confidence=self.min_confidence,
            search_orientations=self.orientations,
            max_pixels=self.max_megapixels * MEGA,
            max_bytes=self.max_megabytes * MIB,
            photo_timeout_seconds=self.timeout,
            engine_memory_mib=self.engine_memory_mib,
        )

    def task(self) -> Task:
        """Return what an engine does with each photo."""
        return Task(
            mode="pixelate" if self.style is Style.MOSAIC else "blur",
            cell_pixels=self.strength or 0,
            blur_strength=self.strength or _DEFAULT_STRENGTH,
            least_side=0,
            jpeg_only=self.jpeg,
            max_side=self.side,
            shape=self.shape,
        )
