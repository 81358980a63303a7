"""What the API server refuses, as problems that a stranger understands."""

from http import HTTPStatus
from typing import Final

from loppestars_operator.kinds import ADDON_GROUPS, Manifest, ObjectKey
from loppestars_operator.kube.client import KubeError
from loppestars_operator.problems import Problem

UNPROCESSABLE: Final = (400, 422)
# Server-side apply reports with a 500 that a field does not exist or is of another type.
UNTYPED: Final = "failed to create typed patch object"
# What the API server says where a right is missing; other refusals are admission's.
NO_RIGHT: Final = (" cannot ", "permissions not currently held", "cannot set blockOwnerDeletion")


def explain(error: KubeError, key: ObjectKey, component: str | None = None) -> Problem:
    """Turn a refusal into a problem that a stranger understands, in the API server's own words."""
    if "NamespaceTerminating" in error.causes:
        return Problem("NamespaceTerminating", f"namespace {key.namespace} is being deleted", transient=True)
    if "cannot find RESTMapping" in error.message:
        # The API server takes up to half a minute to know a CRD that was just installed.
        return Problem("ApiError", f"{key}: {error.message}", transient=True, component=component)
    if error.status in UNPROCESSABLE or UNTYPED in error.message:
        return Problem("InvalidSpec", error.message, transient=False, component=component)
    if error.status == HTTPStatus.FORBIDDEN:
        message = error.message
        # A missing right, a used-up quota and a rule of the cluster are all a 403.
        if "exceeded quota" in message:
            reason, text = "QuotaExceeded", f"{message}; raise the quota, and the stack goes on within a minute"
        elif any(words in message for words in NO_RIGHT):
            hint = "give the operator's service account this right, e.g. by upgrading the chart loppestars-operator"
            reason, text = "Forbidden", f"{message}; {hint}"
        else:
            reason, text = "Refused", f"refused by a rule of the cluster: {message}"
        return Problem(reason, text, transient=False, component=component)
    return Problem("ApiError", f"{key}: {error.message}", transient=True, component=component)


def taken(key: ObjectKey, component: str | None) -> Problem:
    """Return the problem of a name that somebody else has."""
    message = (
        f"{key} exists without this stack's label and owner, so it is left alone; remove it, or give the stack another "
        "name"
    )
    return Problem("NameTaken", message, transient=False, component=component)


def addon_missing(manifest: Manifest, group: str) -> Problem:
    """Return the problem of a kind that the cluster does not know."""
    product = ADDON_GROUPS[group]
    message = (
        f"{manifest['kind']} asked for, but the CRDs of {product} ({group}) are not installed; "
        f"install {product} or remove what asks for it from the spec"
    )
    return Problem("AddOnMissing", message, transient=False)
