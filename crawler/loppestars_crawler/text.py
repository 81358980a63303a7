"""Text from strangers made safe and plain: white space, entities, markup, and what a database cannot hold."""

import html
import math
import re
import unicodedata
from typing import Any, Final

import parsel

# Format characters that change no letter: zero-width space, soft hyphen, word joiner, byte order mark and the
# directional marks. The joiners U+200C and U+200D stay, since scripts and emoji are written with them.
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u200e\u200f\u2060\u202a-\u202e\u2066-\u2069\ufeff]")
# Controls that are not white space, and lone surrogates.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
_SPACES: Final = re.compile(r"\s+")
_TAG: Final = re.compile(r"</?[a-zA-Z!][^<>]*>")
EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
"""An e-mail address; bounded, so that no text makes it slow."""
UNREADABLE: Final = "\ufffd"
"""What stands for bytes that could not be read."""
_BLOCKS: Final = (
    "address article blockquote br dd div dl dt h1 h2 h3 h4 h5 h6 header hr li ol p pre section table tr ul"
)
MAX_SNIPPET: Final = 300
_MAX_TITLE: Final = 8000


def without_forbidden(text: str) -> str:
    """Return a text without lone surrogates and control characters other than white space: databases refuse some."""
    return _FORBIDDEN.sub("", text)


def clean(text: str | None, *, limit: int = 500) -> str | None:
    """Return one line in NFC with single spaces, at most `limit` characters; None when nothing is left.

    Every letter of every script is kept. A text with letters that could not be read is not known.
    """
    if text is None or UNREADABLE in text:
        return None
    visible = _INVISIBLE.sub("", without_forbidden(text))
    line = _SPACES.sub(" ", unicodedata.normalize("NFC", visible)).strip()
    return line[:limit].rstrip() or None


def decode_once(text: str) -> str:
    """Return the text of a WordPress title: markup gone, entities decoded once (`&amp;#8211;` becomes `&#8211;`)."""
    return html.unescape(_TAG.sub("", text[:_MAX_TITLE]))


def html_to_text(markup: str | None, *, limit: int = 5000) -> str | None:
    """Return the readable text of an HTML fragment: paragraphs on lines of their own, scripts and styles left out."""
    if not markup or not markup.strip():
        return None
    selector = parsel.Selector(text=without_forbidden(markup), type="html")
    return selected_text(selector, limit=limit)


def selected_text(selector: parsel.Selector, *, limit: int = 5000) -> str | None:
    """Return the readable text below a selected element."""
    blocks = " or ".join(f"self::{name}" for name in _BLOCKS.split())
    nodes = selector.xpath(
        f"descendant::text()[not(ancestor::script or ancestor::style or ancestor::template)] | descendant::*[{blocks}]",
    )
    pieces = [node.root if isinstance(node.root, str) else "\n" for node in nodes]
    lines = [clean(line, limit=limit) for line in "".join(pieces).split("\n")]
    return "\n".join(line for line in lines if line)[:limit].rstrip() or None


def snippet(text: str) -> str:
    """Return a short piece of what was not understood, for a person to look at; e-mail addresses are hidden."""
    line = clean(text[: MAX_SNIPPET * 40].replace(UNREADABLE, "?"), limit=MAX_SNIPPET * 4) or ""
    hidden = EMAIL.sub("<e-mail>", line)
    return hidden if len(hidden) <= MAX_SNIPPET else hidden[: MAX_SNIPPET - 1] + "…"


def storable(value: Any) -> Any:  # noqa: ANN401 - a document of JSON: whatever the source sent
    """Return a copy of a JSON document that a database accepts: no NUL, lone surrogates, U+FFFD, NaN or infinity."""
    if isinstance(value, str):
        return without_forbidden(value).replace(UNREADABLE, "?")
    if isinstance(value, dict):
        return {without_forbidden(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
