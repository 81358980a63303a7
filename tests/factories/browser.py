"""A real browser for tests: Debian's Chromium (`apt-get install chromium`), or the one that CHROMIUM names."""

import os
import shutil

from tests.factories.required import leave_out


def browser_command() -> str:
    """Return the command of Chromium; the test is left out where there is none."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        leave_out("Chromium is not installed (make browser)")
    return found
