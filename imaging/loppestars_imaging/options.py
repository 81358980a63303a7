"""What a request, an installation or a command line may ask for.

Apart from the code that does it: whoever only passes wishes on, as a worker's parent, loads no image library.
"""

import enum
from dataclasses import dataclass


class Style(enum.StrEnum):
    """What the treated area looks like."""

    MOSAIC = "mosaic"
    """Flat cells."""
    SOLID = "solid"
    """Mid-gray: an average of the face's own colours still looks like a face from afar."""
    SMOOTH = "smooth"
    """Flat cells, softened into each other."""


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
    """What a request may ask for. Values that would be weaker than the floor have no effect."""

    style: Style = Style.MOSAIC
    shape: Shape = Shape.ELLIPSE
    cell_pixels: int = 0
    """Least size of a cell in pixels of the photo."""
    least_side: int = 0
    """Least long side, in pixels, at which faces are searched; the API's `downscaleForDetection`."""
    min_confidence: float | None = None
    """Score from which a face counts; the detector's own where None."""
    orientations: Orientations = Orientations.AUTO
    """When the three other orientations are searched."""
