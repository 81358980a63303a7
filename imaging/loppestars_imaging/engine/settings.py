"""What an engine is started with, from a worker's environment or a command line."""

import enum

from pydantic import BaseModel, Field

from loppestars_imaging.inspect import MEGA, MIB, Limits
from loppestars_imaging.options import Orientations, Style


class Sandbox(enum.StrEnum):
    """Whether an engine is confined before it sees a photo."""

    AUTO = "auto"
    """By every layer that this kernel and container allow; a layer that is missing is logged."""
    REQUIRED = "required"
    """Likewise, and no engine starts where system calls cannot be filtered."""
    OFF = "off"


class EngineSettings(BaseModel):
    """Limits and wishes of the processes that hold photos."""

    imaging_processes: int = Field(
        1, ge=1, le=64, description="photos processed at the same time, one process per photo"
    )
    anonymise_style: Style = Field(
        Style.MOSAIC, description="how faces are covered: mosaic (or as the request asks), smooth or solid"
    )
    min_confidence: float = Field(0.5, gt=0, le=0.6, description="score from which a face counts; may only be lowered")
    search_orientations: Orientations = Field(
        Orientations.AUTO,
        description="search photos that lie on their side: never, auto (where no face is clear upright) or always",
    )
    max_pixels: int = Field(50 * MEGA, ge=MEGA, description="largest photo in pixels; memory grows with it")
    max_bytes: int = Field(50 * MIB, ge=MIB, description="largest photo in bytes")
    photo_timeout_seconds: float = Field(20, gt=0, le=300, description="longest work on one photo")
    engine_memory_mib: int = Field(1024, ge=384, description="memory limit of one engine process in MiB")
    engine_sandbox: Sandbox = Field(
        Sandbox.AUTO,
        description="confine engines: auto (by all that the kernel allows), required (no start without seccomp), off",
    )
    engine_recycle_mib: int = Field(450, ge=128, description="memory above which an engine is replaced after its photo")
    engine_recycle_photos: int = Field(1000, ge=1, description="photos after which an engine is replaced")

    @property
    def limits(self) -> Limits:
        return Limits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)
