"""What happens to a photo, from its bytes to bytes that may be published.

```
inspect → look (small) → find faces → plan → second pass → cover → write
```

Two ways through: a JPEG is edited in its DCT blocks where libjpeg-turbo is present and the file allows it; everything
else is decoded, covered in pixels and encoded. Both raise an ImagingError rather than return anything doubtful.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from loppestars_imaging.codecs import registry
from loppestars_imaging.codecs.jpeg import damage_refused, profile_of, structure_of
from loppestars_imaging.codecs.picture import to_bgr
from loppestars_imaging.cover.blocks import cover_blocks
from loppestars_imaging.cover.pixels import cover
from loppestars_imaging.cover.treatment import Treatment, plan
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.boxes import each_once
from loppestars_imaging.detect.scales import ScalePlan
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.errors import UnreadablePhoto
from loppestars_imaging.faces import Bgr, Face
from loppestars_imaging.inspect import Format, Header, Limits
from loppestars_imaging.options import Options
from loppestars_imaging.orient.upright import right_way_up
from loppestars_imaging.verify.second_pass import strengthen
from loppestars_jpeg.errors import LibjpegGaveUp
from loppestars_jpeg.library import Library, load_library
from loppestars_jpeg.photo import CoefficientPhoto
from loppestars_jpeg.structs import DCTSIZE
from loppestars_jpeg.turning import can_turn, turn_upright

_NEARLY = 0.92
"""A reduced picture this close to the wanted size is enlarged rather than decoded at the next, slower size."""


@dataclass(frozen=True, slots=True)
class Anonymised:
    """A photo that may be published."""

    data: bytes
    format: Format
    width: int
    height: int
    faces: list[Face]
    treatments: list[Treatment] = field(default_factory=list)
    in_blocks: bool = False
    """True when the photo was edited in its DCT blocks, so that everything else is bit-exact."""


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
            edited = self._edit_blocks(self.library, data, header, options)
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
                small = photo.look(self._eighths(header, options))
                picture = np.ascontiguousarray(header.turn.pixels(_as_bgr(small)))
                faces, treatments = self._decide(picture, header.upright_size, options)
                turn_upright(photo)
                cover_blocks(photo, treatments)
                result = photo.write(profile_of(structure))
        except LibjpegGaveUp:
            return None
        return Anonymised(result, Format.JPEG, *header.upright_size, faces, treatments, in_blocks=True)

    def _edit_pixels(self, data: bytes, header: Header, options: Options, target: Format) -> Anonymised:
        picture = registry.decode(data, header)
        if target is Format.JPEG:
            picture = picture.flat()
        side = self.search.needed_side(*picture.size, options.least_side)
        found = [self._decide(view, picture.size, options) for view in picture.reduced_bgr(side)]
        treatments = [treatment for _, areas in found for treatment in areas]
        cover(picture.pixels, treatments, has_alpha=picture.has_alpha)
        faces = each_once([face for faces, _ in found for face in faces]) if len(found) > 1 else found[0][0]
        return Anonymised(registry.encode(picture, target), target, *picture.size, faces, treatments)

    def _decide(self, picture: Bgr, size: tuple[int, int], options: Options) -> tuple[list[Face], list[Treatment]]:
        """Find the faces in the small upright picture, and how each is covered in the photo of `size`."""
        view = right_way_up(self.search, picture, size, options)
        threshold = self.search.detector.threshold if options.min_confidence is None else options.min_confidence
        treatments = strengthen(view.levels, plan(view.faces, options), self.search.detector, view.scale, threshold)
        return [view.face_back(face) for face in view.faces], [view.treatment_back(area) for area in treatments]

    def _eighths(self, header: Header, options: Options) -> int:
        """Return at which size the photo is looked at: 2, 4 or 8 eighths, for which libjpeg-turbo has fast code."""
        needed = self.search.needed_side(header.width, header.height, options.least_side)
        longer = max(header.width, header.height)
        return next((e for e in (2, 4) if longer * e / DCTSIZE >= needed * _NEARLY), 8)


def _as_bgr(pixels: Bgr) -> Bgr:
    """Turn what libjpeg gives (gray, BGR, or CMYK inverted as Adobe writes it) into BGR."""
    channels = pixels.shape[2]
    if channels == 3:  # noqa: PLR2004
        return pixels
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 4:  # noqa: PLR2004
        return to_bgr(255 - pixels, cmyk=True)
    raise UnreadablePhoto("it has an unknown number of colours")
