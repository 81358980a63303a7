"""EXIF orientation: how stored pixels become upright, for pixels, boxes and DCT blocks alike.

Orientation values are those of EXIF 2.32 tag 0x0112: each is a transposition followed by flips of the transposed axes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:  # a worker's parent reads headers' types, and loads no numpy
    import numpy as np
    import numpy.typing as npt

Pixel = TypeVar("Pixel", bound="np.generic")


@dataclass(frozen=True, slots=True)
class Turn:
    """Transpose first, then mirror the columns and the rows of what came out."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after the turn."""
        return (height, width) if self.transpose else (width, height)

    def pixels(self, array: "npt.NDArray[Pixel]") -> "npt.NDArray[Pixel]":
        """Turn an array whose first two axes are rows and columns; a view, not a copy."""
        turned: npt.NDArray[Any] = array.swapaxes(0, 1) if self.transpose else array
        return turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]

    def box_before(
        self, box: tuple[float, float, float, float], width: int, height: int
    ) -> tuple[float, float, float, float]:
        """Return where a box (left, top, right, bottom) was before the turn; the size is that after it."""
        left, top, right, bottom = box
        if self.mirror_x:
            left, right = width - right, width - left
        if self.mirror_y:
            top, bottom = height - bottom, height - top
        return (top, left, bottom, right) if self.transpose else (left, top, right, bottom)


UPRIGHT: Final = Turn()
TURNS: Final = {
    1: UPRIGHT,
    2: Turn(mirror_x=True),
    3: Turn(mirror_x=True, mirror_y=True),
    4: Turn(mirror_y=True),
    5: Turn(transpose=True),
    6: Turn(transpose=True, mirror_x=True),
    7: Turn(transpose=True, mirror_x=True, mirror_y=True),
    8: Turn(transpose=True, mirror_y=True),
}


def turn_of(orientation: object) -> Turn:
    """Return the turn for an EXIF value; anything that is none of 1-8 is upright, as viewers do."""
    return TURNS.get(orientation, UPRIGHT) if isinstance(orientation, int) else UPRIGHT
