"""A small photo of every format, so that whatever decoders load late is loaded before the box is closed."""

import base64
import io
from typing import Final

from PIL import Image

from loppestars_imaging.codecs import registry
from loppestars_imaging.copies import smaller_copies
from loppestars_imaging.pipeline import Anonymiser
from loppestars_jpeg.library import load_library

_SIZE: Final = (64, 48)
_ENCODINGS: Final = ("ascii", "cp1252", "cp437", "latin-1", "utf-16", "utf-16-be", "utf-16-le", "utf-8-sig")
_HEIF: Final = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9j"
    "AAAAAERAAAEAAQAAAAABoQABAAAAAAAAABEAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/Wlw"
    "cnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AA"
    "AAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAA"
    "QAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWB"
    "AgMFhAAAABltZGF0AAAADSgBrxOA+F3TF8orCsA="
)
"""What pillow-heif makes of a gray picture of 64 x 48 pixels; writing one takes a hundred megabytes."""


def warm_up(anonymiser: Anonymiser) -> None:
    """Read and write a gray picture in each format, and search one for faces."""
    for encoding in _ENCODINGS:
        b"".decode(encoding)
    if load_library() is None:
        import simplejpeg  # noqa: F401, PLC0415 - what takes its place
    jpeg = _saved("JPEG")
    for data in (jpeg, *(_saved(kind) for kind in ("PNG", "WEBP", "AVIF")), _HEIF):
        header = registry.inspect(data, anonymiser.limits)
        picture = registry.decode(data, header)
        registry.encode(picture, registry.output_format(header.format, jpeg_only=False))
    smaller_copies(anonymiser.anonymise(jpeg))


def _saved(kind: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", _SIZE, "gray").save(target, kind)
    return target.getvalue()
