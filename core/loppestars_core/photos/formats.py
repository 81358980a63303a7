"""What kind of picture some bytes are, by their first few: enough for a header, no decoding."""

from typing import Final

# Enough of a file to know its kind.
SIGNATURE_BYTES: Final = 16
_SIGNATURES: Final = (
    (((0, b"\xff\xd8\xff"),), "image/jpeg"),
    (((0, b"\x89PNG\r\n\x1a\n"),), "image/png"),
    (((0, b"RIFF"), (8, b"WEBP")), "image/webp"),
    (((4, b"ftypavif"),), "image/avif"),
    (((4, b"ftypheic"),), "image/heic"),
)


def media_type(data: bytes) -> str:
    """Return the media type of a picture; application/octet-stream for anything else."""
    for parts, name in _SIGNATURES:
        if all(data[offset : offset + len(part)] == part for offset, part in parts):
            return name
    return "application/octet-stream"
