"""Where the bytes of one request lie while it is answered (`PhotoSubject.EPHEMERAL`): private, and gone afterwards.

Both objects are in the bucket of originals, which nobody can read from outside, under a folder that no user id can
be: the API deletes them when it has answered, and the sweep deletes what a killed API left behind.
"""

import uuid
from typing import Final

EPHEMERAL_FOLDER: Final = "~temporary"


def ephemeral_original_key(photo_id: uuid.UUID) -> str:
    """Return the key of the bytes that were sent."""
    return f"{EPHEMERAL_FOLDER}/{photo_id}/original"


def ephemeral_result_key(photo_id: uuid.UUID) -> str:
    """Return the key of the bytes that are sent back."""
    return f"{EPHEMERAL_FOLDER}/{photo_id}/result"
