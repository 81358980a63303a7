"""Errors of `/storage/v1`: nearly all are HTTP 400, and the body says which status is meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException

from loppestars_api.web.errors import TooLarge, Unprocessable, UnsupportedMedia
from loppestars_core.photos.originals import NotAPhoto, NotTheirFolder, OriginalTooLarge
from loppestars_core.storage import InvalidKey, ObjectExists, ObjectNotFound, ObjectTooLarge

# What the storage server says where only a status is known: its word, and the code that newer clients decide by.
_WORDS: Final = {
    HTTPStatus.BAD_REQUEST: ("Error", "InvalidRequest"),
    HTTPStatus.UNAUTHORIZED: ("Unauthorized", "InvalidJWT"),
    HTTPStatus.FORBIDDEN: ("Unauthorized", "AccessDenied"),
    HTTPStatus.NOT_FOUND: ("not_found", "NoSuchKey"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("Payload too large", "EntityTooLarge"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Too many requests", "SlowDown"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Service unavailable", "SlowDown"),
}


class StorageRefusal(HTTPException):
    """A refusal: `meant` is the status that the body names."""

    def __init__(self, meant: HTTPStatus, message: str, *, error: str | None = None, code: str | None = None) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, message)
        word, known = _WORDS.get(meant, (meant.phrase, "InternalError"))
        self.meant = meant
        self.error = error or word
        self.code = code or known


def no_such_bucket() -> StorageRefusal:
    """Return the refusal of a bucket that is not offered."""
    return StorageRefusal(HTTPStatus.NOT_FOUND, "Bucket not found", error="Bucket not found", code="NoSuchBucket")


def no_such_object() -> StorageRefusal:
    """Return the refusal of an object that does not exist, or not for the caller."""
    return StorageRefusal(HTTPStatus.NOT_FOUND, "Object not found")


def access_denied() -> StorageRefusal:
    """Return the refusal of a write outside the caller's own folder."""
    return StorageRefusal(HTTPStatus.FORBIDDEN, "new row violates row-level security policy")


def invalid_key(key: str) -> StorageRefusal:
    """Return the refusal of a key that can name no object."""
    shown = key[:100].encode("ascii", "backslashreplace").decode()
    return StorageRefusal(HTTPStatus.BAD_REQUEST, f"Invalid key: {shown}", error="InvalidKey", code="InvalidKey")


def invalid_link(*, expired: bool = False) -> StorageRefusal:
    """Return the refusal of a signed link."""
    if expired:
        message = "The provided token has expired."
        return StorageRefusal(HTTPStatus.BAD_REQUEST, message, error="ExpiredToken", code="ExpiredToken")
    return StorageRefusal(
        HTTPStatus.BAD_REQUEST, "Invalid signature", error="InvalidSignature", code="InvalidSignature"
    )


def not_offered(feature: str) -> StorageRefusal:
    """Return the refusal of what this server does not do."""
    message = f"The feature {feature} is not enabled for this resource"
    return StorageRefusal(HTTPStatus.CONFLICT, message, error="FeatureNotEnabled", code="FeatureNotEnabled")


@contextmanager
def refusals(key: str) -> Iterator[None]:
    """Turn what the domain and the receiving of files refuse into what clients read."""
    try:
        yield
    except NotTheirFolder:
        raise access_denied() from None
    except NotAPhoto as found:
        message = f"mime type {found} is not supported"
        meant = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        raise StorageRefusal(meant, message, error="invalid_mime_type", code="InvalidMimeType") from None
    except (OriginalTooLarge, ObjectTooLarge, TooLarge):
        message = "The object exceeded the maximum allowed size"
        raise StorageRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message) from None
    except ObjectExists:
        message = "The resource already exists"
        raise StorageRefusal(HTTPStatus.CONFLICT, message, error="Duplicate", code="KeyAlreadyExists") from None
    except ObjectNotFound:
        raise no_such_object() from None
    except InvalidKey:
        raise invalid_key(key) from None
    except (Unprocessable, UnsupportedMedia) as error:
        raise StorageRefusal(HTTPStatus.BAD_REQUEST, str(error.detail)) from None


def storage_form(error: HTTPException, request_id: str) -> object:  # noqa: ARG001 - it is in a header
    """Return the body of an error as clients of storage read it."""
    if isinstance(error, StorageRefusal):
        meant, word, code = error.meant, error.error, error.code
    else:
        meant = HTTPStatus(error.status_code)
        word, code = _WORDS.get(meant, (meant.phrase, "InternalError"))
    message = error.detail if isinstance(error.detail, str) else "The request was refused."
    return {"statusCode": str(meant.value), "error": word, "message": message, "code": code}
