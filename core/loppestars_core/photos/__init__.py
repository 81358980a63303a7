"""Photos from request to result: what may be asked, who may finish one, and how to wait for it.

    pending ──claim──► processing ──complete──► completed | no_faces
       ▲                   │  ╲────fail───────► failed
       └─────release───────┘   (and `failed` after `MAX_ATTEMPTS` claims whose worker died)

A row and its job are written in one transaction. Every claim gets a token, and only the newest claim can finish the
photo: a worker that was believed dead and comes back changes nothing.
"""

from loppestars_core.photos.failures import FAILURES, Failure, FailureCode
from loppestars_core.photos.lifecycle import (
    MAX_ATTEMPTS,
    Claim,
    NewVariant,
    PhotoRequest,
    claim_photo,
    complete_photo,
    fail_photo,
    find_photo,
    find_variant,
    forget_photo,
    photo_of_original,
    release_photo,
    request_again,
    request_photo,
    variants_of,
)
from loppestars_core.photos.listener import PhotoListener
from loppestars_core.photos.options import PhotoOptions

__all__ = [
    "FAILURES",
    "MAX_ATTEMPTS",
    "Claim",
    "Failure",
    "FailureCode",
    "NewVariant",
    "PhotoListener",
    "PhotoOptions",
    "PhotoRequest",
    "claim_photo",
    "complete_photo",
    "fail_photo",
    "find_photo",
    "find_variant",
    "forget_photo",
    "photo_of_original",
    "release_photo",
    "request_again",
    "request_photo",
    "variants_of",
]
