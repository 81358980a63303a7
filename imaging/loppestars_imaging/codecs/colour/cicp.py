"""Code points of colour (ITU-T H.273), as PNG's cICP and the nclx of AVIF and HEIF carry them.

Results have no code points. What a profile can say becomes a profile and no number changes; light beyond a
page's white, as in PQ and HLG, is converted to sRGB.
"""

import contextlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loppestars_imaging.codecs.colour import spaces
from loppestars_imaging.codecs.colour.icc import matrix_profile
from loppestars_imaging.codecs.colour.spaces import Curve, Primaries

_PRIMARIES: Final = {
    1: spaces.BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: spaces.BT2020,
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: spaces.P3,
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
_GAMMAS: Final = {4: 2.2, 5: 2.8}
_LIGHT: Final[dict[int, Curve]] = {8: spaces.gamma(1.0), 16: spaces.pq, 18: spaces.hlg}
"""What eight bits cannot hold: converted."""
_COLOURS: Final = 3
_OTHER: Final = "Colour profile"
_MIN_GAMMA: Final = 0.1
_DISPLAY_GAMMA: Final = 2.2
_ALIKE: Final = 0.02


@dataclass(frozen=True, slots=True)
class CodePoints:
    """Primaries and transfer characteristics; BT.709 and its relatives are shown as sRGB."""

    primaries: int
    transfer: int


def described(pixels: npt.NDArray[Any], points: CodePoints, *, colours: int) -> bytes | None:
    """Return the profile for pixels of these code points; convert them in place where no profile would do."""
    primaries = _PRIMARIES.get(points.primaries, spaces.BT709)
    if (curve := _LIGHT.get(points.transfer)) is not None:
        spaces.to_srgb(pixels, primaries, curve, colours=colours)
        return None
    if colours != _COLOURS:
        return None
    if (exponent := _GAMMAS.get(points.transfer)) is not None:
        return matrix_profile(_OTHER, primaries, spaces.gamma(exponent), exponent)
    if primaries is spaces.BT709:
        return None
    return matrix_profile("Display P3" if primaries is spaces.P3 else _OTHER, primaries, spaces.srgb)


def described_by_gamma(
    pixels: npt.NDArray[Any], gamma: float, chromaticity: tuple[float, ...] | None, *, colours: int
) -> bytes | None:
    """Return the profile for PNG's gAMA and cHRM (white, red, green, blue); convert shades of gray in place."""
    if not _MIN_GAMMA <= gamma <= 1 / _MIN_GAMMA:
        return None
    usual = abs(gamma * _DISPLAY_GAMMA - 1) < _ALIKE
    if colours != _COLOURS:
        if not usual:
            spaces.to_srgb(pixels, spaces.BT709, spaces.gamma(1 / gamma), colours=colours)
        return None
    primaries = spaces.BT709
    if chromaticity is not None and len(chromaticity) == 8:  # noqa: PLR2004 - four points
        white, red, green, blue = zip(chromaticity[::2], chromaticity[1::2], strict=True)
        given = Primaries(red, green, blue, white)
        with contextlib.suppress(ArithmeticError, np.linalg.LinAlgError):
            if np.abs(given.to_d50() - primaries.to_d50()).max() > _ALIKE:
                primaries = given
    if primaries is spaces.BT709 and usual:
        return None
    return matrix_profile(_OTHER, primaries, spaces.gamma(1 / gamma), 1 / gamma)
