"""What imaging reads from its environment."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from loppestars_core.settings import ComponentSettings, DatabaseSettings, StorageSettings
from loppestars_imaging.header import MEGA, MIB, Limits
from loppestars_imaging.options import Orientations, Style

_DURATION = re.compile(r"^(\d+)(ms|s|m|h|d)$")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> object:
    """`24h`, `90m`, `30s`, `7d`, as Kubernetes users write them."""
    found = _DURATION.match(value.strip()) if isinstance(value, str) else None
    return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))}) if found else value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]


class ImagingSettings(StorageSettings, DatabaseSettings, ComponentSettings):
    """Settings of `loppestars-imaging work` and `loppestars-imaging sweep`."""

    imaging_processes: int = Field(1, ge=1, le=64, description="photos worked on at the same time, one process each")
    anonymise_style: Style = Field(Style.MOSAIC, description="least treatment of a face: mosaic, smooth or solid")
    min_confidence: float = Field(0.5, gt=0, le=0.6, description="score from which a face counts; only ever lower it")
    search_orientations: Orientations = Field(
        Orientations.AUTO,
        description="search photos that lie on their side: never, auto (where no face is clear upright) or always",
    )
    max_pixels: int = Field(50 * MEGA, ge=MEGA, description="largest photo in pixels; memory grows with it")
    max_bytes: int = Field(50 * MIB, ge=MIB, description="largest photo in bytes")
    photo_timeout_seconds: float = Field(20, gt=0, le=300, description="longest work on one photo")
    engine_memory_mib: int = Field(1024, ge=384, description="memory one engine process may take before it ends itself")
    engine_recycle_mib: int = Field(450, ge=128, description="memory above which an engine is replaced after its photo")
    engine_recycle_photos: int = Field(1000, ge=1, description="photos after which an engine is replaced")
    drain_seconds: float = Field(30, gt=0, description="how long photos in hand are finished at shutdown")
    originals_retention: Duration = Field(
        timedelta(hours=24), description="how long originals of finished photos are kept, e.g. 24h or 7d"
    )
    temporary_retention: Duration = Field(
        timedelta(minutes=5), description="how long objects of single requests may lie, e.g. 5m"
    )

    @property
    def limits(self) -> Limits:
        return Limits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)
