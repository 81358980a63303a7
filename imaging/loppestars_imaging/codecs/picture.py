"""Decoded pixels, upright, with what must survive the round trip."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from PIL import Image

from loppestars_imaging.faces import Bgr, Pixels
from loppestars_imaging.orientation import Turn


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
        if small.dtype == np.uint16:
            small = (small >> 8).astype(np.uint8)
        if not self.has_alpha or self.pixels[:, :, -1].min() == np.iinfo(self.pixels.dtype).max:
            return [to_bgr(small, cmyk=self.cmyk)]
        return [to_bgr(small), to_bgr(small, page=0), to_bgr(small[:, :, :-1])]

    def image(self) -> Image.Image:
        """Return it as a Pillow image of 8 bits per channel."""
        pixels = self.pixels if self.pixels.dtype == np.uint8 else (self.pixels >> 8).astype(np.uint8)
        mode = "CMYK" if self.cmyk else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        size = (flat.shape[1], flat.shape[0])
        return Image.frombuffer(mode, size, np.ascontiguousarray(flat), "raw", mode, 0, 1)

    def opaque(self) -> "Picture":
        """Return it without alpha, over white, as formats without transparency show it."""
        if not self.has_alpha:
            return self
        top = np.iinfo(self.pixels.dtype).max
        alpha = self.pixels[:, :, -1:].astype(np.uint32)
        color = self.pixels[:, :, :-1].astype(np.uint32)
        blended = (color * alpha + top * (top - alpha) + top // 2) // top
        return replace(self, pixels=blended.astype(self.pixels.dtype))


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
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, ::-1])
