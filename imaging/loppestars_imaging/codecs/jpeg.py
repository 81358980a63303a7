"""JPEG, decoded whole: the way for other formats' output, and the fall-back where blocks cannot be edited.

Written again at the original's own quantisation tables and chroma subsampling, so the quality stays, although pixels
outside the treated areas change by the rounding of one more generation. Only the first frame of a file is ever read:
second frames (MPO), thumbnails and trailers are gone.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from loppestars_imaging.codecs import pillow
from loppestars_imaging.codecs.colour.icc import kept_profile
from loppestars_imaging.codecs.picture import Picture
from loppestars_imaging.errors import UnreadablePhoto, UnsupportedFormat
from loppestars_imaging.inspect import Format, Header
from loppestars_jpeg.errors import JpegDamaged, LibjpegGaveUp
from loppestars_jpeg.library import load_library
from loppestars_jpeg.photo import CoefficientPhoto
from loppestars_jpeg.structure import JpegStructure, read_structure

_DEFAULT_QUALITY: Final = 92
_SAMPLINGS: Final = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}
_BASELINE_MAX: Final = 255
_BITS: Final = 8
_OTHER_KINDS: Final = (
    dict.fromkeys((0xC9, 0xCA), "An arithmetic-coded JPEG")
    | dict.fromkeys((0xC3, 0xCB), "A lossless JPEG")
    | dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "A hierarchical JPEG")
)
"""Frames that hardly any program reads (ITU-T T.81, table B.1)."""


@contextlib.contextmanager
def damage_refused() -> Iterator[None]:
    """Raise UnreadablePhoto for a JPEG that is damaged."""
    try:
        yield
    except JpegDamaged as error:
        raise UnreadablePhoto(str(error)) from error


def structure_of(data: bytes) -> JpegStructure:
    """Return what the markers say, or raise UnreadablePhoto."""
    with damage_refused():
        return read_structure(data)


def profile_of(structure: JpegStructure) -> bytes | None:
    """Return the colour profile that the result gets."""
    return kept_profile(structure.icc) if structure.icc else None


def inspect(data: bytes) -> Header:
    """Read size and orientation from the markers."""
    structure = structure_of(data)
    if (kind := _OTHER_KINDS.get(structure.frame)) is not None:
        raise UnsupportedFormat(kind)
    if structure.precision != _BITS:
        raise UnsupportedFormat(f"A JPEG of {structure.precision} bits")
    return Header(Format.JPEG, structure.width, structure.height, structure.turn)


def decode(data: bytes, header: Header) -> Picture:
    """Decode the first frame upright; raise UnreadablePhoto for truncated data."""
    structure = structure_of(data)
    _refuse_damage(data, structure)
    with pillow.readable():
        image = pillow.open_image(data, "JPEG")
        tables = {key: list(values) for key, values in getattr(image, "quantization", {}).items()}
        cmyk = image.mode == "CMYK"
        pixels = pillow.decode(image)
    if (pixels.shape[1], pixels.shape[0]) != (header.width, header.height):
        raise UnreadablePhoto("its headers contradict each other")
    if header.turn.transpose:
        transposed = [column * 8 + row for row in range(8) for column in range(8)]
        tables = {key: [values[place] for place in transposed] for key, values in tables.items()}
    picture = Picture(
        pixels,
        profile_of(structure),
        cmyk=cmyk,
        jpeg_tables=tables,
        jpeg_sampling=_sampling(structure, transposed=header.turn.transpose),
    )
    return picture.turned(header.turn)


def encode(picture: Picture) -> bytes:
    """Write at the original's tables and subsampling where there were any, else at high quality."""
    picture = picture.flat()
    options: dict[str, object] = {"quality": _DEFAULT_QUALITY}
    tables = picture.jpeg_tables
    if tables and all(1 <= value <= _BASELINE_MAX for values in tables.values() for value in values):
        options = {"qtables": tables}
    if picture.jpeg_sampling and picture.pixels.shape[2] == 3:  # noqa: PLR2004 - colour
        options["subsampling"] = picture.jpeg_sampling
    return pillow.encode(picture, "JPEG", **options)


def _refuse_damage(data: bytes, structure: JpegStructure) -> None:
    """Pillow does not pass on libjpeg's warnings: decode small, only to hear them."""
    library = load_library()
    if library is not None:
        with damage_refused(), contextlib.suppress(LibjpegGaveUp), CoefficientPhoto(library, data, structure) as photo:
            photo.look(2)
        return
    import simplejpeg  # noqa: PLC0415 - hardly ever needed

    try:
        # The first warning is all that it reports, and damage may follow it.
        simplejpeg.decode_jpeg(data, colorspace="GRAY", min_factor=8, min_width=1, min_height=1, strict=True)
    except ValueError as error:
        if "Unsupported color" not in str(error):
            raise UnreadablePhoto("it is truncated or damaged") from error


def _sampling(structure: JpegStructure, *, transposed: bool) -> str | None:
    if len(structure.sampling) != 3:  # noqa: PLR2004 - one per component of YCbCr
        return None
    widest = max(s.horizontal for s in structure.sampling)
    tallest = max(s.vertical for s in structure.sampling)
    factors = (tallest, widest) if transposed else (widest, tallest)
    return _SAMPLINGS.get(factors, "4:4:4")  # what Pillow cannot write is written finer, never coarser
