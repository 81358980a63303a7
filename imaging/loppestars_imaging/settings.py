"""Settings of imaging, from its environment."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings, StorageSettings
from loppestars_imaging.engine.settings import EngineSettings

_DURATION: Final = re.compile(r"^(\d+)(ms|s|m|h|d)$")
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> object:
    """`24h`, `90m`, `30s`, `7d`, as Kubernetes users write them."""
    found = _DURATION.match(value.strip()) if isinstance(value, str) else None
    return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))}) if found else value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]


class ImagingSettings(EngineSettings, StorageSettings, DatabaseSettings, ComponentSettings):
    """Settings of `loppestars-imaging work` and `loppestars-imaging sweep`."""

    max_side: int = Field(
        2048, ge=0, description="longest side of published photos in pixels; larger ones shrink, 0 keeps every pixel"
    )
    drain_seconds: float = Field(30, gt=0, description="how long photos in hand are finished at shutdown")
    originals_retention: Duration = Field(
        timedelta(hours=24), description="how long originals of finished photos are kept, e.g. 24h or 7d"
    )
    unreferenced_retention: Duration = Field(
        timedelta(hours=24), description="how long a processed photo is kept that no rating shows, e.g. 24h or 7d"
    )
    temporary_retention: Duration = Field(
        timedelta(minutes=5), description="how long objects of single requests may lie, e.g. 5m"
    )
