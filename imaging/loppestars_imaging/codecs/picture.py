"""Decoded pixels, upright, with what must survive the round trip."""

from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from PIL import Image

from loppestars_imaging.codecs.colour.cicp import CodePoints, described, described_by_gamma
from loppestars_imaging.faces import Bgr, Pixels
from loppestars_jpeg.orientation import Turn

_STRIP_PIXELS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels as (rows, columns, channels): 1 gray, 2 gray+alpha, 3 RGB, 4 RGB+alpha, or 4 CMYK; 8 or 16 bits deep."""

    pixels: Pixels
    icc: bytes | None = None
    cmyk: bool = False
    lossless: bool = False
    jpeg_tables: dict[int, list[int]] = field(default_factory=dict)
    """Quantisation tables of the JPEG it came from, for writing it at the same quality."""
    jpeg_sampling: str | None = None
    """Chroma subsampling of the JPEG it came from, as Pillow names it."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def turned(self, turn: Turn) -> "Picture":
        """Return the picture upright, in memory of its own."""
        return replace(self, pixels=np.ascontiguousarray(turn.pixels(self.pixels)))

    def shrunk(self, size: tuple[int, int]) -> "Picture":
        """Return the picture with this width and height, averaged."""
        if size == self.size:
            return self
        pixels = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        return replace(self, pixels=pixels.reshape(size[1], size[0], -1))

    def in_colour(self, points: CodePoints | None) -> "Picture":
        """Return the picture with what its code points say, unless a profile says it already; pixels may change."""
        if points is None or self.icc is not None or self.cmyk:
            return self
        colours = self.pixels.shape[2] - self.has_alpha
        return replace(self, icc=described(self.pixels, points, colours=colours))

    def in_measured_colour(self, gamma: float, chromaticity: tuple[float, ...] | None) -> "Picture":
        """Return the picture with what PNG's gAMA and cHRM say; shades of gray may change."""
        colours = self.pixels.shape[2] - self.has_alpha
        return replace(self, icc=described_by_gamma(self.pixels, gamma, chromaticity, colours=colours))

    @property
    def has_alpha(self) -> bool:
        """True where the last channel says how opaque a pixel is."""
        return not self.cmyk and self.pixels.shape[2] in {2, 4}

    def reduced_bgr(self, long_side: int) -> list[Bgr]:
        """Return what a detector looks at: BGR of 8 bits, at most `long_side` pixels long.

        One picture, or where parts are transparent three: over white, over black, and the colours alone, which anybody
        can uncover. A face that shows in any of them is a face.
        """
        width, height = self.size
        scale = min(1.0, long_side / max(width, height))
        small = self.pixels
        if scale < 1:
            target = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(small, target, interpolation=cv2.INTER_AREA).reshape(target[1], target[0], -1)
        small = _eight_bits(small)
        if not self.has_alpha or self.pixels[:, :, -1].min() == np.iinfo(self.pixels.dtype).max:
            return [to_bgr(small, cmyk=self.cmyk)]
        return [to_bgr(small), to_bgr(small, page=0), to_bgr(small[:, :, :-1])]

    def image(self) -> Image.Image:
        """Return it as a Pillow image of 8 bits per channel."""
        pixels = _eight_bits(self.pixels)
        mode = "CMYK" if self.cmyk else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        size = (flat.shape[1], flat.shape[0])
        return Image.frombuffer(mode, size, np.ascontiguousarray(flat), "raw", mode, 0, 1)

    def flat(self) -> "Picture":
        """Return it as a JPEG holds it: 8 bits a channel, and what is transparent over white."""
        if not self.has_alpha and self.pixels.dtype == np.uint8:
            return self
        rows, columns, channels = self.pixels.shape
        flat = np.empty((rows, columns, channels - self.has_alpha), np.uint8)
        # By strips: the products of a large photo would take several times its memory.
        step = max(1, _STRIP_PIXELS // columns)
        for top in range(0, rows, step):
            strip = _eight_bits(self.pixels[top : top + step])
            if self.has_alpha:
                alpha = strip[:, :, -1:].astype(np.uint16)
                strip = ((strip[:, :, :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
            flat[top : top + step] = strip
        return replace(self, pixels=flat)


def swap_colours(pixels: Pixels) -> None:
    """Swap red and blue in place, alpha stays, and gray; by strips, because OpenCV copies what it changes in place."""
    rows, columns, channels = pixels.shape
    if channels < 3:  # noqa: PLR2004 - gray, with alpha or not
        return
    order = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA  # noqa: PLR2004 - as above
    step = max(1, _STRIP_PIXELS // columns)
    for top in range(0, rows, step):
        strip = pixels[top : top + step]
        cv2.cvtColor(strip, order, dst=strip)


def _eight_bits(pixels: Pixels) -> Pixels:
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def to_bgr(pixels: Pixels, *, cmyk: bool = False, page: int = 255) -> Bgr:
    """Turn 8-bit gray, gray+alpha, RGB, RGB+alpha or (inverted, as Adobe writes it) CMYK into BGR.

    What is transparent shows the `page`, a shade of gray.
    """
    channels = pixels.shape[2]
    if cmyk:
        ink = pixels.astype(np.uint16)
        rgb = (255 - ink[:, :, :3]) * (255 - ink[:, :, 3:]) // 255
        return np.ascontiguousarray(rgb[:, :, ::-1].astype(np.uint8))
    if channels in {2, 4}:
        alpha = pixels[:, :, -1:].astype(np.uint16)
        color = pixels[:, :, :-1]
        pixels = ((color * alpha + page * (255 - alpha)) // 255).astype(np.uint8)
    order = cv2.COLOR_GRAY2BGR if pixels.shape[2] == 1 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(pixels, order), dtype=np.uint8)
