"""What a photo's row means for whoever waits for it."""

from dataclasses import dataclass

from loppestars_api.errors import ApiError, NotFound, TooLarge, Unavailable, Unprocessable, UnsupportedMedia
from loppestars_core.photos import FAILURES, FailureCode
from loppestars_core.photos.models import Photo, PhotoState, PhotoVariant

PASSING_RETRY_SECONDS = 10
# Their details are written for whoever sent the photo: limits, numbers, formats. Other details are for the log.
_TOLD_BY_IMAGING = frozenset(
    {
        FailureCode.TOO_MANY_BYTES,
        FailureCode.TOO_MANY_PIXELS,
        FailureCode.UNSUPPORTED_FORMAT,
        FailureCode.UNREADABLE,
        FailureCode.EMPTY,
    }
)


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
    """Raise the error that a failed photo stands for."""
    if found is None:
        raise NotFound("There is no such photo.")
    photo, result = found
    state = PhotoState(photo.state)
    if state is PhotoState.FAILED:
        raise failure_error(photo.error_code, photo.error_detail)
    if state.finished:
        if result is None:
            raise Unprocessable("The photo was withdrawn.")
        return Finished(photo, result)
    if state is PhotoState.PENDING and photo.error_code is not None:
        return PassingTrouble(failure_error(photo.error_code, photo.error_detail))
    return Unfinished()


def failure_error(code: str | None, detail: str | None) -> ApiError:
    """The error of a failure code; for what is wrong with the photo itself, in imaging's own sentence."""
    try:
        known = FailureCode(code or "")
    except ValueError:  # written by a newer release than this one
        return Unprocessable("The photo could not be processed and was not published.")
    failure = FAILURES[known]
    sentence = detail if detail and known in _TOLD_BY_IMAGING else failure.message
    if failure.status == Unavailable.status:
        return Unavailable(sentence, PASSING_RETRY_SECONDS)
    kind = {NotFound.status: NotFound, TooLarge.status: TooLarge, UnsupportedMedia.status: UnsupportedMedia}
    return kind.get(failure.status, Unprocessable)(sentence)
