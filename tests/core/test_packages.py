"""The packages of the house import cleanly."""

import importlib

import pytest


class TestPackages:
    """The packages of the house import cleanly."""

    @pytest.mark.parametrize("name", ["api", "core", "crawler", "imaging", "jobs", "local", "operator"])
    def test_imports(self, name: str) -> None:
        """Importing a component reads no environment and needs no service."""
        assert importlib.import_module(f"loppestars_{name}").__doc__
