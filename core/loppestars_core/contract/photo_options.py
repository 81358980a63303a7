"""Bounds of what a caller may ask of the treatment of faces: of the API, the stored options and the worker."""

from typing import Final, NamedTuple


class Bounds(NamedTuple):
    """Least, most and default of a whole number."""

    least: int
    most: int
    default: int


PIXELATE_SIZE: Final = Bounds(5, 50, 20)
BLUR_STRENGTH: Final = Bounds(1, 99, 31)
DOWNSCALE_FOR_DETECTION: Final = Bounds(200, 2000, 800)
