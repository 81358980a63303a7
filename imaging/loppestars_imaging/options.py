"""What a request, an installation or a command line may ask for.

Apart from the code that does it: whoever only passes wishes on, as a worker's parent, loads no image library.
"""

import enum
from dataclasses import dataclass


class Style(enum.StrEnum):
    """What a cover looks like. None of them holds anything from inside the face."""

    SMOOTH = "smooth"
    """A soft fill of the colours around the face, as if it were out of focus."""
    MOSAIC = "mosaic"
    """The same fill in square cells."""
    SOLID = "solid"
    """Mid-gray."""


class Shape(enum.StrEnum):
    """Outline of the treated area."""

    ELLIPSE = "ellipse"
    BOX = "box"


class Orientations(enum.StrEnum):
    """When faces are also searched in the three orientations that the file does not ask for."""

    NEVER = "never"
    AUTO = "auto"
    """When the photo shows no clear face the way up that it says."""
    ALWAYS = "always"
    """Also for people who lie in a photo of others who stand; takes four times as long."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may ask for. No value makes a cover hold anything of the face."""

    style: Style = Style.SMOOTH
    shape: Shape = Shape.ELLIPSE
    cell_pixels: int = 20
    """Side of the mosaic's cells, in pixels of the published photo; 0 sizes them by the face."""
    blur_strength: int = 31
    """How soft the smooth fill is, 1-99."""
    max_side: int = 0
    """Longest published side in pixels; 0 keeps every pixel."""
    least_side: int = 0
    """Least long side, in pixels, at which faces are searched; the API's `downscaleForDetection`."""
    min_confidence: float | None = None
    """Score from which a face counts; the detector's own where None."""
    orientations: Orientations = Orientations.AUTO
    """When the three other orientations are searched."""
    covers: tuple[tuple[float, ...], ...] | None = None
    """What is covered instead of what is found: x, y, width, height as shares of the upright photo."""
