"""HEIC and HEIF by libheif: read, and written as JPEG.

Only the primary image is read; thumbnails, depth maps and further images of the file are never touched. libheif applies
the container's own crop and rotation, which is what counts in HEIF; its EXIF orientation is informative only.
"""

import io

import pillow_heif

from loppestars_imaging.codecs import pillow
from loppestars_imaging.codecs.isobmff import primary_properties
from loppestars_imaging.codecs.picture import Picture
from loppestars_imaging.errors import UnreadablePhoto
from loppestars_imaging.inspect import Format, Header

pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False
pillow_heif.options.DECODE_THREADS = 1


def inspect(data: bytes) -> Header:
    """Read the primary image's size; nothing is decoded."""
    with pillow.readable():
        opened = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        width, height = opened.size
    return Header(Format.HEIF, width, height, decoded=primary_properties(data).size)


def decode(data: bytes, header: Header) -> Picture:
    """Decode the primary image upright."""
    with pillow.readable():
        opened = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        image = opened.to_pillow()
        icc = pillow.icc_of(image)
        pixels = pillow.decode(image)
    if (pixels.shape[1], pixels.shape[0]) != (header.width, header.height):
        raise UnreadablePhoto("its headers contradict each other")
    return Picture(pixels, icc).in_colour(primary_properties(data).colour)
