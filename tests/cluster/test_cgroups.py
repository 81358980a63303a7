"""The cgroup of the node's pods, in a folder that stands in for the kernel's."""

import os
from pathlib import Path

import pytest

from tools.cluster import cgroups


class TestCgroups:
    """The cgroup of the node's pods, in a folder that stands in for the kernel's."""

    @pytest.mark.parametrize(
        ("weight", "of_one_core"), [("cpu.shares", 1024), ("cpu.weight", 100)], ids=["version 1", "version 2"]
    )
    def test_pods_together_weigh_as_much_as_the_cores(
        self, weight: str, of_one_core: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not as little as one process: other work on the machine would starve them."""
        monkeypatch.setattr(cgroups, "HIERARCHIES", tmp_path)
        hierarchy = tmp_path / "cpu" if weight == "cpu.shares" else tmp_path
        ours = hierarchy / cgroups.ROOT
        ours.mkdir(parents=True)
        (ours / weight).touch()
        (hierarchy / ("cgroup.procs" if weight == "cpu.shares" else "cgroup.controllers")).touch()
        cgroups.create()
        assert int((ours / weight).read_text()) == of_one_core * (os.cpu_count() or 1)
