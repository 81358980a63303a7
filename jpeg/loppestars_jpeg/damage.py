"""What libjpeg's warnings say about a file.

libjpeg goes on after damage and fills in what is missing, so that half a photo decodes without an error: a warning is
the only sign.
"""

import enum
import re
from typing import Final

_EXTRA_BYTES: Final = re.compile(r"extraneous bytes before marker 0x([0-9a-f]{2})")
_RESTARTS: Final = range(0xD0, 0xD8)

_ABOUT_HEADERS: Final = (
    # Baseline scans of some Samsung phones do not say 0, 63, 0; the numbers mean nothing there (ITU-T T.81, table B.3).
    "Invalid SOS parameters for sequential JPEG",
    "Warning: unknown JFIF revision number",
    "Unknown Adobe color transform code",
    "Corrupt JPEG data: bad ICC marker",
)
"""Warnings that are not about the picture's data: every viewer shows such a file whole and alike."""


class Severity(enum.Enum):
    """How bad a warning is."""

    HARMLESS = "harmless"
    """Bytes that belong to nothing, between complete segments."""
    ODD = "odd"
    """Shown whole by every viewer, but not to be edited in place: what it decodes to depends on the decoder."""
    DAMAGED = "damaged"
    """Truncated or damaged."""


def judge(warning: str) -> Severity:
    """Return how bad a warning of libjpeg is; an unknown one counts as damage."""
    if warning.startswith(_ABOUT_HEADERS):
        return Severity.HARMLESS
    match = _EXTRA_BYTES.search(warning)
    if match is None:
        return Severity.DAMAGED
    return Severity.ODD if int(match[1], 16) in _RESTARTS else Severity.HARMLESS
