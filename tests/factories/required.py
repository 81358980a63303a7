"""Leaving a test out, or failing it where everything must be there."""

import os
from typing import NoReturn

import pytest


def leave_out(reason: str) -> NoReturn:
    """Skip with `reason`; where LOPPESTARS_REQUIRE_CLUSTER is set (continuous integration), fail instead."""
    if os.environ.get("LOPPESTARS_REQUIRE_CLUSTER"):
        pytest.fail(f"LOPPESTARS_REQUIRE_CLUSTER is set, but: {reason}", pytrace=False)
    pytest.skip(reason)
