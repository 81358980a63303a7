"""Colour spaces as primaries, white and transfer curve (ITU-T H.273), and the arithmetic between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Curve = Callable[[Floats], Floats]
"""From the numbers of a file, 0 to 1, to linear light; 1 is the white of a page."""
Point = tuple[float, float]

D65: Final[Point] = (0.3127, 0.3290)
D50_XYZ: Final = (0.9642, 1.0, 0.8249)
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_PQ_WHITE: Final = 203.0 / 10_000
"""What a page's white is in PQ, 203 of 10,000 cd/m² (ITU-R BT.2408)."""
_HLG_WHITE: Final = 0.2649
"""Linear light of HLG's 75 %, which is a page's white there (BT.2408)."""


@dataclass(frozen=True, slots=True)
class Primaries:
    """Chromaticities of red, green, blue and white."""

    red: Point
    green: Point
    blue: Point
    white: Point = D65

    def to_xyz(self) -> Floats:
        """Return the matrix from linear RGB to XYZ under the space's own white."""
        columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in (self.red, self.green, self.blue)]).T
        return columns * np.linalg.solve(columns, _xyz_of(self.white))

    def to_d50(self) -> Floats:
        """Return the matrix from linear RGB to the XYZ of a colour profile: adapted to D50 (ICC.1:2022, annex E)."""
        cones = (_BRADFORD @ np.array(D50_XYZ)) / (_BRADFORD @ _xyz_of(self.white))
        return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ self.to_xyz())


def _xyz_of(point: Point) -> Floats:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def srgb(values: Floats) -> Floats:
    """Return linear light of IEC 61966-2-1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - the standard


def srgb_inverse(light: Floats) -> Floats:
    """Return the numbers of sRGB for linear light."""
    curved = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curved)  # noqa: PLR2004 - the standard's number


def bt709(values: Floats) -> Floats:
    """Return linear light of ITU-R BT.709, which BT.601 and BT.2020 share."""
    return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45))  # noqa: PLR2004 - likewise


def pq(values: Floats) -> Floats:
    """Return linear light of SMPTE ST 2084."""
    root = values ** (1 / 78.84375)
    light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.asarray(light ** (1 / 0.1593017578125) / _PQ_WHITE)


def hlg(values: Floats) -> Floats:
    """Return linear light of the scene in ARIB STD-B67."""
    high = (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(values <= 0.5, values**2 / 3, high) / _HLG_WHITE  # noqa: PLR2004 - the standard


def gamma(exponent: float) -> Curve:
    """Return the curve of a plain power."""
    return lambda values: np.asarray(values**exponent)


BT709: Final = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
P3: Final = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020: Final = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ADOBE: Final = Primaries((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
PROPHOTO: Final = Primaries((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105), (0.345704, 0.358540))


@dataclass(frozen=True, slots=True)
class Space:
    """A colour space that photos are in."""

    name: str
    primaries: Primaries
    curve: Curve
    gamma: float | None = None
    """The exponent where the curve is a plain power."""


SRGB: Final = Space("sRGB", BT709, srgb)
KNOWN: Final = (
    SRGB,
    Space("Display P3", P3, srgb),
    Space("Adobe RGB (1998)", ADOBE, gamma(2.19921875), 2.19921875),
    Space("ProPhoto RGB", PROPHOTO, gamma(1.8), 1.8),
    Space("Rec. 2020", BT2020, bt709),
    Space("Rec. 709", BT709, bt709),
)


def to_srgb(pixels: npt.NDArray[Any], primaries: Primaries, curve: Curve, *, colours: int) -> None:
    """Convert the first `colours` channels to sRGB in place; brighter light than white is rolled off, never cut."""
    top = int(np.iinfo(pixels.dtype).max)
    light = curve(np.arange(top + 1, dtype=np.float64) / top).astype(np.float32)
    matrix = (np.linalg.inv(BT709.to_xyz()) @ primaries.to_xyz()).astype(np.float32)
    rows = max(1, 1_000_000 // pixels.shape[1])
    brightest = max(1.0, float(light[pixels[:, :, :colours].max()]))
    encoded = (srgb_inverse(np.arange(1 << 12, dtype=np.float64) / ((1 << 12) - 1)) * top).round().astype(pixels.dtype)
    for start in range(0, pixels.shape[0], rows):
        strip = light[pixels[start : start + rows, :, :colours]]
        if colours == 3:  # noqa: PLR2004 - gray has no hue
            strip = strip @ matrix.T
        strip = _rolled_off(strip, brightest)
        if top > 255:  # noqa: PLR2004 - 16 bits: a table would be coarse
            converted = (srgb_inverse(np.clip(strip, 0, 1)) * top).round().astype(pixels.dtype)
        else:
            converted = encoded[(np.clip(strip, 0, 1) * ((1 << 12) - 1)).round().astype(np.intp)]
        pixels[start : start + rows, :, :colours] = converted


_KNEE: Final = 0.8


def _rolled_off(light: npt.NDArray[np.float32], brightest: float) -> npt.NDArray[np.float32]:
    """Bring what is above the knee below one, with its hue; pictures without highlights stay as they are."""
    if brightest <= 1:
        return light
    peak = light.max(axis=2, keepdims=True)
    span, reach = 1 - _KNEE, brightest - _KNEE
    over = np.maximum(peak - _KNEE, 0)
    # Slope one at the knee, one at the brightest (Reinhard et al. 2002, with a white point).
    mapped = _KNEE + over * (1 + over * span / reach**2) / (1 + over / span)
    scale = np.where(peak > _KNEE, mapped / np.maximum(peak, 1e-6), 1)
    return np.asarray(light * np.minimum(scale, 1), dtype=np.float32)
