"""What each program loads before it does anything. A library that one command needs is loaded by that command."""

import subprocess
import sys

import pytest

# Libraries of other components, and those that take a tenth of a second and more for a rare use.
_HEAVY = frozenset(
    {
        *("aiohttp", "alembic", "boto3", "botocore", "cv2", "icalendar", "kubernetes", "numpy", "onnxruntime"),
        *("openvino", "PIL", "pywebpush", "requests", "scrapy", "sqlalchemy", "structlog"),
    }
)
# What a program cannot do without.
_NEEDED = {
    "loppestars_api.main": {"sqlalchemy", "structlog"},
    "loppestars_jobs.main": {"sqlalchemy", "structlog"},
    "loppestars_crawler.cli": {"structlog"},
    "loppestars_imaging.main": set[str](),
    "loppestars_local.cli": set[str](),
}


@pytest.mark.parametrize("module", _NEEDED)
class TestImport:
    def test_is_light(self, module: str) -> None:
        """No program waits for a library that its start does not use."""
        code = f"import {module}, sys; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert _HEAVY & set(loaded) == _NEEDED[module]
