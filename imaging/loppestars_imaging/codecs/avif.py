"""AVIF: read, and written as JPEG. Sequences are refused."""

from loppestars_imaging.codecs import pillow
from loppestars_imaging.codecs.isobmff import primary_properties
from loppestars_imaging.codecs.picture import Picture
from loppestars_imaging.errors import UnsupportedFormat
from loppestars_imaging.inspect import Format, Header


def inspect(data: bytes) -> Header:
    """Read the size from the container; nothing is decoded."""
    with pillow.readable():
        image = pillow.open_image(data, "AVIF")
        if getattr(image, "n_frames", 1) > 1:
            raise UnsupportedFormat("A moving AVIF")
        turn = pillow.exif_turn(image)
    crop = primary_properties(data).crop(*image.size)
    shown = image.size if crop is None else (crop.width, crop.height)
    return Header(Format.AVIF, *shown, turn, image.size)


def decode(data: bytes, header: Header) -> Picture:
    """Decode the part that is shown, upright; Pillow reports the container's own rotation as EXIF orientation."""
    said = primary_properties(data)
    with pillow.readable():
        image = pillow.open_image(data, "AVIF")
        icc = pillow.icc_of(image)
        pixels = pillow.decode(image)
    if (crop := said.crop(pixels.shape[1], pixels.shape[0])) is not None:
        pixels = pixels[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    return Picture(pixels, icc).turned(header.turn).in_colour(said.colour)
