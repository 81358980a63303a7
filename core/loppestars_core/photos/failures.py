"""Why a photo was not published. Imaging writes the code, the API says it."""

from dataclasses import dataclass
from enum import StrEnum


class FailureCode(StrEnum):
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    ORIGINAL_MISSING = "original_missing"
    TIMED_OUT = "timed_out"
    NOT_ANONYMISED = "not_anonymised"
    WORKER_DIED = "worker_died"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    IMAGING_UNAVAILABLE = "imaging_unavailable"


@dataclass(frozen=True, slots=True)
class Failure:
    """What to say about a failure; `final` is false where the same photo may succeed on another try."""

    message: str
    final: bool = True


FAILURES: dict[FailureCode, Failure] = {
    FailureCode.TOO_MANY_BYTES: Failure("The photo has too many bytes."),
    FailureCode.TOO_MANY_PIXELS: Failure("The photo has too many pixels."),
    FailureCode.UNSUPPORTED_FORMAT: Failure(
        "This format is not supported. Send a JPEG, PNG, WebP, AVIF or HEIC still image."
    ),
    FailureCode.UNREADABLE: Failure("The photo is damaged or truncated and cannot be read."),
    FailureCode.EMPTY: Failure("The photo is empty."),
    FailureCode.ORIGINAL_MISSING: Failure("There is no such original."),
    FailureCode.TIMED_OUT: Failure("The photo took too long to process and was not published."),
    FailureCode.NOT_ANONYMISED: Failure("Faces could not be hidden safely, so the photo was not published."),
    FailureCode.WORKER_DIED: Failure("The photo could not be processed and was not published."),
    FailureCode.STORAGE_UNAVAILABLE: Failure("Photo storage is not available now. Try again.", final=False),
    FailureCode.IMAGING_UNAVAILABLE: Failure("Photo processing is not available now. Try again.", final=False),
}
