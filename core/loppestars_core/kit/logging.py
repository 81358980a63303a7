"""Structured JSON logs on stdout, the same in every component.

Fields: time, level, event, component, and whatever the context carries (request_id, user_id, run_id, photo_id).
Tokens, e-mail addresses and the query of signed links never reach the output: `redact` runs last on every event.
"""

import hashlib
import logging
import re
import sys
import uuid
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_KEYS: Final = re.compile(
    r"(password|secret|token|authorization|cookie|api_?key|access_key|signature)", re.IGNORECASE
)
_REPLACEMENTS: Final = (
    (re.compile(r"(?i)\bbearer\s+[^\s\"',]+"), "Bearer [token]"),
    (
        re.compile(r"(?i)([?&](?:token|signature|sig|x-amz-[\w-]+|access_token|refresh_token|code)=)[^&\s\"']+"),
        r"\1[…]",
    ),
    (re.compile(r"(?<=://)([^/\s:@]+):([^/\s@]+)@"), r"\1:[…]@"),
)
# Longer identifiers from outside are replaced, not cut: a cut one would join unrelated requests.
REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._:-]{1,64}$")
# Words of both: letters and what e-mail addresses and tokens have between them.
_WORD: Final = re.compile(r"[\w.+@-]+")
_DOTS_OF_A_TOKEN: Final = 2
# Of a traceback, this much is enough; of a stranger's text, more than enough.
MAX_TEXT_CHARACTERS: Final = 32 * 1024
_NOISY: Final = ("botocore", "boto3", "urllib3", "asyncio", "procrastinate", "scrapy", "twisted", "filelock")


def configure_logging(component: str, level: str = "INFO", *, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (stdout): JSON, and lines on a terminal."""
    output = sys.stdout if stream is None else stream
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    if output.isatty():
        renderer = structlog.dev.ConsoleRenderer(timestamp_key="time")
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Component(component),
    ]
    structlog.configure(
        processors=[
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *common],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))


class _Component:
    """Adds the component's name to each event."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("component", self._name)
        return event


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what must not be in logs, by key and by pattern, at any depth."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:  # noqa: ANN401 - log values are of any type
    if _SECRET_KEYS.search(key):
        return "[…]"
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {inner: _redacted(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(key, item) for item in value]
    return value


def redact_text(text: str) -> str:
    """Return `text` without tokens, passwords in URLs, signatures and e-mail addresses; what is very long is cut."""
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{text[:MAX_TEXT_CHARACTERS]}… ({len(text)} characters)"
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return _WORD.sub(_redacted_word, text) if "@" in text or "eyJ" in text else text


def _redacted_word(found: re.Match[str]) -> str:
    """Replace a word that holds a JWT or an e-mail address.

    A pattern for either would look for its end from each character of a long word: time in the square of its length.
    """
    word = found[0]
    token = word.find("eyJ")
    if token >= 0 and word.count(".", token) >= _DOTS_OF_A_TOKEN:
        return word[:token] + "[token]"
    name, at, host = word.lstrip("@").partition("@")
    return "[e-mail]" if at and name and "." in host else word


def pseudonym(user_id: str) -> str:
    """Return what stands for a user in logs: the same for all their lines, and no way back to the id."""
    return hashlib.sha256(user_id.encode("utf-8", "replace")).hexdigest()[:16]


def new_request_id() -> str:
    return uuid.uuid4().hex


def accept_request_id(candidate: str | None) -> str:
    """Return the caller's request id where it is a harmless identifier, else a new one."""
    return candidate if candidate is not None and REQUEST_ID.fullmatch(candidate) else new_request_id()


def current_request_id() -> str | None:
    """Return the request id of this context, to hand on to a job."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return found if isinstance(found, str) else None
