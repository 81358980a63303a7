"""What makes the OpenAPI document pleasant to read: sentences as titles, an example of everything.

Examples come from what a schema says of itself (a default, a choice, a format, its bounds) and, where that would be no
help to a reader, from the names below.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

_UUID: Final = "0b8e9d6e-3f0a-4d0e-9c55-6f2a3c1e7d10"
_BY_NAME: Final[Mapping[str, Any]] = {
    "latitude": 55.6761,
    "longitude": 12.5683,
    "radius_km": 50,
    "radius": 50,
    "days_ahead": 14,
    "query": "københavn",
    "bucket": "stall-photos-processed",
    "key": "6f9619ff/1718000000000-processed.jpg",
    "from_day": "2030-05-01",
    "until_day": "2030-05-31",
}
_BY_FORMAT: Final[Mapping[str, Any]] = {
    "uuid": _UUID,
    "date": "2030-05-04",
    "date-time": "2030-05-04T10:00:00Z",
    "uri": "https://example.org/",
    "email": "visitor@example.org",
}
_DETAILS: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The body is not valid JSON.",
    HTTPStatus.UNAUTHORIZED: "This needs a bearer token: send 'Authorization: Bearer <token>'.",
    HTTPStatus.FORBIDDEN: "This photo belongs to another user.",
    HTTPStatus.NOT_FOUND: "There is no such market.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
    HTTPStatus.CONFLICT: "The current state does not allow this.",
    HTTPStatus.GONE: "The photo was withdrawn.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The photo has 61203212 bytes; at most 52428800 are accepted.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The path may have 2048 bytes, path and query 8192.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "A file of unknown format cannot be processed.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file has 1024 bytes; none of them is in this range.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong on our side. Report it with this request id.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer at the moment.",
    HTTPStatus.GATEWAY_TIMEOUT: "The photo is still being processed; the same request later returns it.",
}
_WRONG_PARAMETER: Final = {
    "type": "less_than_equal",
    "loc": ["query", "limit"],
    "msg": "Input should be less than or equal to 100",
    "input": "1000",
}
_REQUEST_ID: Final = "3073ccf8d0724291ad810f70c125c6c1"
_LICENCE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def describe(document: dict[str, Any], *, contact: str) -> None:
    """Complete the document in place: who serves it, titles, and examples of parameters and errors."""
    document["servers"] = [{"url": "/", "description": "This installation"}]
    document["info"]["license"] = _LICENCE
    if contact.startswith("mailto:"):
        document["info"]["contact"] = {"name": "Security", "email": contact.removeprefix("mailto:")}
    elif contact.startswith("https:"):
        document["info"]["contact"] = {"name": "Security", "url": contact}
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            _set_title(operation)
            for parameter in operation.get("parameters", ()):
                if "example" not in parameter and "examples" not in parameter:
                    named = parameter["schema"].get("$ref", "").rpartition("/")[-1]
                    parameter["example"] = example_of(schemas.get(named, parameter["schema"]), parameter["name"])
            for status, answer in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    _add_example(int(status), answer)


def example_of(schema: Mapping[str, Any], name: str = "") -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value that a parameter of this schema takes."""
    variants = [variant for variant in schema.get("anyOf", ()) if variant.get("type") != "null"]
    if variants and name not in _BY_NAME and schema.get("default") is None:
        return example_of(variants[0], name)
    of_type = {
        "boolean": True,
        "integer": schema.get("minimum", 1),
        "number": schema.get("minimum", 1),
        "array": [example_of(schema["items"])] if schema.get("minItems") else [],
    }.get(schema.get("type", ""), "a" * max(1, schema.get("minLength", 1)))
    candidates = (
        _BY_NAME.get(name),
        *schema.get("examples", ()),
        schema.get("default"),
        schema.get("const"),
        *schema.get("enum", ()),
        _BY_FORMAT.get(schema.get("format", "")),
    )
    return next((candidate for candidate in candidates if candidate is not None), of_type)


def _set_title(operation: dict[str, Any]) -> None:
    """Make the first sentence of a docstring the title; the rest stays its description."""
    sentence, _, rest = str(operation.get("description", "")).partition("\n\n")
    sentence = " ".join(sentence.split())
    first, stop, more = sentence.partition(". ")
    if first:
        operation["summary"] = first.removesuffix(".")
        operation["description"] = "\n\n".join(part for part in (more if stop else "", rest) if part)


def _add_example(status: int, answer: dict[str, Any]) -> None:
    contents = answer.get("content", {})
    ours = next((kind for kind, content in contents.items() if "ErrorBody" in str(content.get("schema"))), None)
    if ours is None:
        return
    content = contents.pop(ours)
    if ours != "application/json":
        # FastAPI documents the errors of a route of pages as pages; those of its layers are JSON all the same.
        contents[ours] = {"schema": {"type": "string"}}
    contents["application/json"] = content
    detail = [_WRONG_PARAMETER] if status == HTTPStatus.UNPROCESSABLE_ENTITY else _DETAILS.get(status)
    if detail is not None:
        content.setdefault("example", {"detail": detail, "request_id": _REQUEST_ID})
