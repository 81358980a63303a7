"""What a photo's row means for whoever waits for it, and the HTTP status of each failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loppestars_api.web.errors import (
    ApiError,
    Gone,
    NotFound,
    TooLarge,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)
from loppestars_core.photos import FAILURES, FailureCode
from loppestars_core.photos.models import Photo, PhotoState, PhotoVariant, Visibility

PASSING_RETRY_SECONDS: Final = 10
# Their details are written for whoever sent the photo: limits, numbers, formats. Other details are for the log.
_DETAIL_IS_PUBLIC: Final = frozenset(
    {
        FailureCode.TOO_MANY_BYTES,
        FailureCode.TOO_MANY_PIXELS,
        FailureCode.UNSUPPORTED_FORMAT,
        FailureCode.UNREADABLE,
        FailureCode.EMPTY,
    }
)
_UNAVAILABLE: Final = frozenset({FailureCode.IMAGING_UNAVAILABLE, FailureCode.STORAGE_UNAVAILABLE})
_KINDS: Final[Mapping[FailureCode, type[NotFound | TooLarge | UnsupportedMedia]]] = {
    FailureCode.ORIGINAL_MISSING: NotFound,
    FailureCode.TOO_MANY_BYTES: TooLarge,
    FailureCode.UNSUPPORTED_FORMAT: UnsupportedMedia,
}


@dataclass(frozen=True, slots=True)
class Finished:
    """A photo whose result may be handed out."""

    photo: Photo
    result: PhotoVariant


@dataclass(frozen=True, slots=True)
class PassingTrouble:
    """Given back to the queue by a worker that could not work; another try may succeed."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class Unfinished:
    """In the queue, or being worked on."""


Outcome = Finished | PassingTrouble | Unfinished


def outcome_of(found: tuple[Photo, PhotoVariant | None] | None) -> Outcome:
    """Return what the row means. Raise the error that a failed photo stands for."""
    if found is None:
        raise NotFound("There is no such photo.")
    photo, result = found
    state = PhotoState(photo.state)
    if state is PhotoState.FAILED:
        raise failure_error(photo.error_code, photo.error_detail)
    if state.finished:
        if result is None or photo.visibility == Visibility.WITHDRAWN:
            raise Gone("The photo was withdrawn.")
        return Finished(photo, result)
    if state is PhotoState.PENDING and photo.error_code is not None:
        return PassingTrouble(failure_error(photo.error_code, photo.error_detail))
    return Unfinished()


def failure_error(code: str | None, detail: str | None) -> ApiError:
    """Return the error of a failure code; for what is wrong with the photo itself, in imaging's own sentence."""
    try:
        known = FailureCode(code or "")
    except ValueError:  # written by a newer release than this one
        return Unprocessable("The photo could not be processed and was not published.")
    sentence = detail if detail and known in _DETAIL_IS_PUBLIC else FAILURES[known].message
    if known in _UNAVAILABLE:
        return Unavailable(sentence, PASSING_RETRY_SECONDS)
    return _KINDS.get(known, Unprocessable)(sentence)
