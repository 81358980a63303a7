"""Why a photo was not published, and what the API answers for it. Imaging writes the code, the API reads it."""

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
    """`status` is the HTTP status; `final` is false where the same photo may succeed on another try."""

    status: int
    message: str
    final: bool = True


FAILURES: dict[FailureCode, Failure] = {
    FailureCode.TOO_MANY_BYTES: Failure(413, "The photo has too many bytes."),
    FailureCode.TOO_MANY_PIXELS: Failure(422, "The photo has too many pixels."),
    FailureCode.UNSUPPORTED_FORMAT: Failure(
        415, "This format is not supported. Send a JPEG, PNG, WebP, AVIF or HEIC still image."
    ),
    FailureCode.UNREADABLE: Failure(422, "The photo is damaged or truncated and cannot be read."),
    FailureCode.EMPTY: Failure(422, "The photo is empty."),
    FailureCode.ORIGINAL_MISSING: Failure(404, "There is no such original."),
    FailureCode.TIMED_OUT: Failure(422, "The photo took too long to process and was not published."),
    FailureCode.NOT_ANONYMISED: Failure(422, "Faces could not be hidden safely, so the photo was not published."),
    FailureCode.WORKER_DIED: Failure(422, "The photo could not be processed and was not published."),
    FailureCode.STORAGE_UNAVAILABLE: Failure(503, "Photo storage is not available now. Try again.", final=False),
    FailureCode.IMAGING_UNAVAILABLE: Failure(503, "Photo processing is not available now. Try again.", final=False),
}
