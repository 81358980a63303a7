"""What kind of picture some bytes are, by their first few: enough for a header, no decoding."""

from typing import Final

_SIGNATURES: Final = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
)


def media_type(data: bytes) -> str:
    """Return the media type of a picture; application/octet-stream for anything else."""
    for offset, signature, name in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return name
    return "application/octet-stream"
