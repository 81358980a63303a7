"""Errors of `/functions/v1`, as the app reads them."""

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException

_SENTENCES: Final = {
    HTTPStatus.UNAUTHORIZED: "Authentication required",
    HTTPStatus.FORBIDDEN: "Admin access required",
}


class FunctionRefused(HTTPException):
    """A request that a function does not take."""


def functions_form(error: HTTPException, request_id: str) -> object:  # noqa: ARG001 - it is in a header
    """Return the body of an error of a function; `message` says more where the sentence is fixed."""
    detail = error.detail if isinstance(error.detail, str) else "The request was refused."
    sentence = _SENTENCES.get(HTTPStatus(error.status_code))
    return {"success": False, "error": sentence or detail, **({"message": detail} if sentence else {})}
