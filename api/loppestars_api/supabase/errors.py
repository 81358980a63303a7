"""Errors in the form that clients of each service read."""

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException

# What PostgREST says where only a status is known.
_CODES: Final = {
    HTTPStatus.NOT_FOUND: "PGRST125",
    HTTPStatus.METHOD_NOT_ALLOWED: "PGRST117",
    HTTPStatus.TOO_MANY_REQUESTS: "429",
    HTTPStatus.SERVICE_UNAVAILABLE: "PGRST001",
    HTTPStatus.GATEWAY_TIMEOUT: "PGRST003",
}


class DialectError(HTTPException):
    """An error with the code that clients decide by."""

    def __init__(
        self, status: int, code: str, message: str, *, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(status, message)
        self.code = code
        self.details = details
        self.hint = hint


def refuse(message: str, details: str | None = None) -> DialectError:
    """Return the error for what the dialect does not understand."""
    return DialectError(HTTPStatus.BAD_REQUEST, "PGRST100", message, details=details)


def rest_form(error: HTTPException, request_id: str) -> object:  # noqa: ARG001 - it is in a header
    """Return the body of an error as PostgREST's clients read it."""
    code = getattr(error, "code", None) or _CODES.get(HTTPStatus(error.status_code), str(error.status_code))
    message = error.detail if isinstance(error.detail, str) else "The request was refused."
    return {
        "code": code,
        "details": getattr(error, "details", None),
        "hint": getattr(error, "hint", None),
        "message": message,
    }
