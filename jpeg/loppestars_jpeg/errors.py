"""What can go wrong with a JPEG.

```
JpegError
├── JpegDamaged       truncated, or not what its markers promise: no way of reading it helps
└── LibjpegGaveUp     libjpeg cannot do what was asked; decoding the file whole may still work
```
"""


class JpegError(Exception):
    """Base of everything this package raises on purpose."""


class JpegDamaged(JpegError):
    """Truncated or damaged; the message says where, as the rest of "it cannot be read: …"."""


class LibjpegGaveUp(JpegError):
    """libjpeg reported a fatal error, or left the photo in a state that is only fit to be decoded."""
