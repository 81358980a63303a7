"""Request headers of an ASGI scope, for layers below the framework."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first value of a header; `name` in lower case."""
    return next((str(value, "latin-1") for key, value in scope["headers"] if key == name), None)
