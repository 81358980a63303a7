"""What happens to a photo, from its bytes to bytes that may be published.

```
inspect → decode at the published scale → find faces there → cover them → write
```

Two ways through: a JPEG that keeps its size is edited in its DCT blocks where libjpeg-turbo is present and the file
allows it; everything else is decoded, covered in pixels and encoded. Both raise an ImagingError rather than return
anything doubtful.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from loppestars_imaging.codecs import registry
from loppestars_imaging.codecs.jpeg import damage_refused, profile_of, structure_of
from loppestars_imaging.codecs.picture import Picture, swap_colours, to_bgr
from loppestars_imaging.cover.area import Area
from loppestars_imaging.cover.blocks import cover_blocks
from loppestars_imaging.cover.pixels import cover
from loppestars_imaging.cover.plan import areas_over, look_of
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.boxes import deduplicate
from loppestars_imaging.detect.scales import ScalePlan
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.errors import UnreadablePhoto
from loppestars_imaging.faces import Bgr, Face
from loppestars_imaging.inspect import Format, Header, Limits
from loppestars_imaging.options import Options
from loppestars_imaging.orient.upright import find_faces
from loppestars_jpeg.errors import LibjpegGaveUp
from loppestars_jpeg.library import Library, load_library
from loppestars_jpeg.photo import CoefficientPhoto
from loppestars_jpeg.structs import DCTSIZE
from loppestars_jpeg.turning import can_turn, turn_upright

_NEARLY: Final = 0.95
"""A size that is decoded directly is published where it is at least so much of the longest side allowed."""
_ROUNDING: Final = 0.02
_CMYK: Final = 4


@dataclass(frozen=True, slots=True)
class Anonymised:
    """A photo that may be published."""

    data: bytes
    format: Format
    width: int
    height: int
    faces: list[Face]
    """In pixels of the upright original."""
    areas: list[Area] = field(default_factory=list)
    """What was covered, in pixels of the published photo."""
    in_blocks: bool = False
    """True when the photo was edited in its DCT blocks, so that everything else is bit-exact."""
    scale: float = 1.0
    """Published side over the original's."""


class Anonymiser:
    """The pipeline with its detector loaded. One per process; not thread-safe."""

    def __init__(
        self,
        detector: Detector,
        *,
        limits: Limits | None = None,
        scales: ScalePlan | None = None,
        in_blocks: bool = True,
    ) -> None:
        cv2.setNumThreads(1)  # photos are worked on side by side by processes
        self.limits = limits or Limits()
        self.search = FaceSearch(detector, scales)
        self.library: Library | None = load_library() if in_blocks else None

    def anonymise(self, data: bytes, options: Options | None = None, *, jpeg_only: bool = True) -> Anonymised:
        """Return the photo with its faces covered, upright, and without metadata but its colour profile.

        The result is a JPEG, or of the photo's own format where `jpeg_only` is false and that format is written.
        Raises PhotoRefused for what cannot be processed at all, and NotProcessed where a face could be missed.
        """
        options = options or Options()
        header = registry.inspect(data, self.limits)
        if header.format is Format.JPEG and self.library is not None:
            keeps_size = published_size(header.upright_size, options.max_side) == header.upright_size
            edit = self._edit_blocks if keeps_size else self._shrink_jpeg
            edited = edit(self.library, data, header, options)
            if edited is not None:
                return edited
        return self._edit_pixels(data, header, options, registry.output_format(header.format, jpeg_only=jpeg_only))

    def _edit_blocks(self, library: Library, data: bytes, header: Header, options: Options) -> Anonymised | None:
        """Return None where the photo has to be decoded and encoded instead."""
        structure = structure_of(data)
        if not structure.editable or not can_turn(structure):
            return None
        try:
            with damage_refused(), CoefficientPhoto(library, data, structure) as photo:
                picture = np.ascontiguousarray(header.turn.pixels(_as_bgr(photo.look(DCTSIZE))))
                faces = find_faces(self.search, picture, header.upright_size, options)
                areas = areas_over(faces, options)
                turn_upright(photo)
                cover_blocks(photo, areas, look_of(options))
                result = photo.write(profile_of(structure))
        except LibjpegGaveUp:
            return None
        return Anonymised(result, Format.JPEG, *header.upright_size, faces, areas, in_blocks=True)

    def _edit_pixels(self, data: bytes, header: Header, options: Options, target: Format) -> Anonymised:
        picture = registry.decode(data, header)
        picture = picture.shrunk(published_size(picture.size, options.max_side))
        if target is Format.JPEG:
            picture = picture.flat()
        return self._cover_pixels(picture, header, options, target)

    def _shrink_jpeg(self, library: Library, data: bytes, header: Header, options: Options) -> Anonymised | None:
        """Return None where the photo has to be decoded by its codec instead."""
        structure = structure_of(data)
        if not structure.editable or len(structure.sampling) == _CMYK:
            return None
        size = published_size(header.upright_size, options.max_side)
        eighths = min(DCTSIZE, max(2, math.ceil(max(size) / max(header.upright_size) * DCTSIZE - _ROUNDING)))
        try:
            with damage_refused(), CoefficientPhoto(library, data, structure) as photo:
                pixels = photo.shrunk(eighths)
        except LibjpegGaveUp:
            return None
        swap_colours(pixels)
        stored = header.turn.size(*size)
        picture = Picture(pixels, profile_of(structure), jpeg_sampling="4:2:0").shrunk(stored)
        return self._cover_pixels(picture.turned(header.turn), header, options, Format.JPEG)

    def _cover_pixels(self, picture: Picture, header: Header, options: Options, target: Format) -> Anonymised:
        """Search, cover and write a picture that has its published size."""
        shown = picture.reduced_bgr(max(picture.size))
        found = [face for view in shown for face in find_faces(self.search, view, picture.size, options)]
        faces = deduplicate(found) if len(shown) > 1 else found
        areas = areas_over(faces, options)
        cover(picture.pixels, areas, look_of(options), has_alpha=picture.has_alpha)
        (width, height), (original_width, original_height) = picture.size, header.upright_size
        originals = [face.scaled(original_width / width, original_height / height) for face in faces]
        scale = max(picture.size) / max(header.upright_size)
        return Anonymised(registry.encode(picture, target), target, width, height, originals, areas, scale=scale)


def published_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Return the width and height that a photo is published at: its own, or those with the longest side allowed.

    A size that libjpeg decodes directly, in eighths of the photo, is taken where it is nearly as large.
    """
    longer = max(size)
    if not max_side or longer <= max_side:
        return size
    eighths = max_side * DCTSIZE // longer
    side = -(-longer * eighths // DCTSIZE)
    side = side if max_side >= side >= _NEARLY * max_side else max_side
    return max(1, round(size[0] * side / longer)), max(1, round(size[1] * side / longer))


def _as_bgr(pixels: Bgr) -> Bgr:
    """Turn what libjpeg gives (gray, BGR, or CMYK inverted as Adobe writes it) into BGR."""
    channels = pixels.shape[2]
    if channels == 3:  # noqa: PLR2004 - colour
        return pixels
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 4:  # noqa: PLR2004 - CMYK
        return to_bgr(255 - pixels, cmyk=True)
    raise UnreadablePhoto("it has an unknown number of colours")
