"""What a command leaves to whoever started it: the operator reads it from the ended container."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

# Kubernetes keeps 4,096 bytes; a character may take four of them.
MAX_MESSAGE_CHARACTERS: Final = 900


def leave_message(path: Path | None, result: Mapping[str, Any]) -> None:
    """Write the result where one is wanted; a file that cannot be written does not fail a backup."""
    if path is None:
        return
    try:
        path.write_text(json.dumps({name: value for name, value in result.items() if value is not None}), "utf-8")
    except OSError as error:
        log.warning("termination_message_not_written", path=str(path), error=str(error))
