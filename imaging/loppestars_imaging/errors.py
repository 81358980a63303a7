"""What can go wrong with a photo.

```
ImagingError                 code
├── PhotoRefused             the photo itself: trying again changes nothing
│   ├── EmptyPhoto
│   ├── TooManyBytes         names both numbers
│   ├── TooManyPixels        names both numbers
│   │   └── TooLong          one side alone is too long
│   ├── UnsupportedFormat    names the format
│   └── UnreadablePhoto      truncated or damaged
└── NotProcessed             the photo may be fine: nothing was published
    ├── DetectorUnavailable  no model or a wrong one
    ├── EngineUnavailable    no process could be started
    ├── DetectionFailed      the detector gave no usable answer
    ├── PhotoTimedOut
    └── EngineCrashed        the process that held the photo died
```

A message is safe to show to whoever sent the photo: it never holds a path, a URL or a stack.
"""

from typing import ClassVar, Final


class ImagingError(Exception):
    """Base of everything imaging raises on purpose."""

    code: ClassVar[str] = "imaging_error"
    """Stable name for records, metrics and reports."""


class PhotoRefused(ImagingError):
    """The photo cannot be processed, now or later."""

    code = "photo_refused"


class EmptyPhoto(PhotoRefused):
    """No bytes at all."""

    code = "empty"

    def __init__(self) -> None:
        super().__init__("The photo is empty. Send the bytes of an image.")


class TooManyBytes(PhotoRefused):
    """Larger than the byte limit."""

    code = "too_many_bytes"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The photo has {size} bytes; at most {limit} are allowed.")


class TooManyPixels(PhotoRefused):
    """Larger than the pixel limit, read from the header before a pixel was decoded."""

    code = "too_many_pixels"

    def __init__(self, width: int, height: int, limit: int) -> None:
        super().__init__(f"The photo has {width} x {height} = {width * height} pixels; at most {limit} are allowed.")


class TooLong(TooManyPixels):
    """Within the limit of pixels, but longer or higher than a JPEG can be."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        Exception.__init__(self, f"The photo has {width} x {height} pixels; a side may have at most {limit}.")


class UnsupportedFormat(PhotoRefused):
    """Not one of the formats that are read."""

    code = "unsupported_format"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} cannot be processed. Send a JPEG, PNG, WebP, AVIF or HEIC/HEIF photo; "
            "animated images are not supported."
        )


class UnreadablePhoto(PhotoRefused):
    """Truncated, damaged, or not what its first bytes promise."""

    code = "unreadable"

    def __init__(self, why: str) -> None:
        super().__init__(f"The photo cannot be read: {why}.")


class NotProcessed(ImagingError):
    """Nothing was published; the photo may be fine."""

    code = "not_processed"


class DetectorUnavailable(NotProcessed):
    """The face detector's weights are missing, or are not the pinned ones."""

    code = "detector_unavailable"


class EngineUnavailable(NotProcessed):
    """No process that could hold the photo can be started."""

    code = "engine_unavailable"


class DetectionFailed(NotProcessed):
    """The detector raised, or answered with values that are not boxes."""

    code = "detection_failed"


class PhotoTimedOut(NotProcessed):
    """The photo took longer than its budget."""

    code = "timed_out"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The photo was not finished within {seconds:g} seconds.")


class EngineCrashed(NotProcessed):
    """The process that held the photo died."""

    code = "engine_crashed"


BY_CODE: Final[dict[str, type[ImagingError]]] = {
    kind.code: kind
    for kind in (
        PhotoRefused,
        EmptyPhoto,
        TooManyBytes,
        TooManyPixels,
        UnsupportedFormat,
        UnreadablePhoto,
        NotProcessed,
        DetectorUnavailable,
        EngineUnavailable,
        DetectionFailed,
        PhotoTimedOut,
        EngineCrashed,
    )
}


def error_from(code: str, message: str) -> ImagingError:
    """Rebuild an error that crossed a process border as its code and message."""
    kind = BY_CODE.get(code, NotProcessed)
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error
