"""Structured JSON logs on stdout, the same in every component.

Fields: time, level, event, component, and whatever the context carries (request_id, user_id, run_id, photo_id).
Tokens, e-mail addresses and the query of signed links never reach the output: `redact` runs last on every event.
"""

import logging
import re
import sys
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_KEYS = re.compile(r"(password|secret|token|authorization|cookie|api_?key|access_key|signature)", re.IGNORECASE)
_REPLACEMENTS = (
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\bbearer\s+[^\s\"',]+"), "Bearer [token]"),
    (
        re.compile(r"(?i)([?&](?:token|signature|sig|x-amz-[\w-]+|access_token|refresh_token|code)=)[^&\s\"']+"),
        r"\1[…]",
    ),
    (re.compile(r"(?<=://)([^/\s:@]+):([^/\s@]+)@"), r"\1:[…]@"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
)
# Longer identifiers from outside are replaced, not cut: a cut one would join unrelated requests.
REQUEST_ID = re.compile(r"^[A-Za-z0-9._:-]{1,64}$")
_NOISY = ("botocore", "boto3", "urllib3", "asyncio", "procrastinate", "scrapy", "twisted", "filelock")


def configure_logging(component: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records through one JSON renderer to stdout."""
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
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *common],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
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
    """`text` without tokens, passwords in URLs, signatures and e-mail addresses."""
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


def new_request_id() -> str:
    return uuid.uuid4().hex


def accept_request_id(candidate: str | None) -> str:
    """The caller's request id where it is a harmless identifier, else a new one."""
    return candidate if candidate is not None and REQUEST_ID.match(candidate) else new_request_id()


def current_request_id() -> str | None:
    """The request id of this context, to hand on to a job."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return found if isinstance(found, str) else None
