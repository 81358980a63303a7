"""The text of a page whose declared encoding may be wrong: no byte becomes U+FFFD."""

import codecs
from typing import Final

from w3lib.encoding import (
    html_body_declared_encoding,
    http_content_type_encoding,
    read_bom,
    resolve_encoding,
)

_WESTERN: Final = "cp1252"
_HANDLER: Final = "loppestars-western"


def decode_page(body: bytes, content_type: str | None) -> str:
    """Return the text of a page: by its byte order mark, as UTF-8 when it is that, else as declared.

    Danish pages that lie about their encoding are nearly always Western European: bytes that the declared encoding
    does not know are read as that.
    """
    marked, mark = read_bom(body)
    if marked and mark:
        return body[len(mark) :].decode(marked, _HANDLER)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    declared = http_content_type_encoding(content_type) or html_body_declared_encoding(body)
    known = resolve_encoding(declared) if declared else None
    try:
        return body.decode(known or "utf-8", _HANDLER)
    except (LookupError, UnicodeError):
        return body.decode(_WESTERN, _HANDLER)


def _as_western(error: UnicodeError) -> tuple[str, int]:
    """Read the bytes that an encoding does not know as Windows-1252, and those it lacks as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode(_WESTERN), error.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), error.end


codecs.register_error(_HANDLER, _as_western)
