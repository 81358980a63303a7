"""Which module reads which format, and which format a result has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loppestars_imaging.codecs import avif, heif, jpeg, png, webp
from loppestars_imaging.codecs.picture import Picture
from loppestars_imaging.inspect import Format, Header, Limits, check_dimensions, check_size, sniff


@dataclass(frozen=True, slots=True)
class Codec:
    """How a format is read, and written where it is."""

    inspect: Callable[[bytes], Header]
    decode: Callable[[bytes, Header], Picture]
    encode: Callable[[Picture], bytes] | None = None


CODECS: Final = {
    Format.JPEG: Codec(jpeg.inspect, jpeg.decode, jpeg.encode),
    Format.PNG: Codec(png.inspect, png.decode, png.encode),
    Format.WEBP: Codec(webp.inspect, webp.decode, webp.encode),
    Format.AVIF: Codec(avif.inspect, avif.decode),
    Format.HEIF: Codec(heif.inspect, heif.decode),
}


def inspect(data: bytes, limits: Limits) -> Header:
    """Return what a photo is, or raise PhotoRefused; nothing is decoded."""
    check_size(data, limits)
    header = CODECS[sniff(data)].inspect(data)
    check_dimensions(header, limits)
    return header


def decode(data: bytes, header: Header) -> Picture:
    """Decode a photo upright."""
    return CODECS[header.format].decode(data, header)


def output_format(source: Format, *, jpeg_only: bool) -> Format:
    """Return the format of the result: JPEG, or the original's where that can be written and is wanted."""
    return source if not jpeg_only and CODECS[source].encode is not None else Format.JPEG


def encode(picture: Picture, target: Format) -> bytes:
    """Write a picture in a format that can be written."""
    write = CODECS[target].encode
    if write is None:
        raise ValueError(f"{target} is not written")
    return write(picture)
