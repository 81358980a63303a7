"""The table of programs, and finding them."""

from pathlib import Path

import pytest

from tools.cluster import tools
from tools.cluster.errors import LocalClusterError, MissingBinaries
from tools.cluster.paths import MODULES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of the test's own."""
    monkeypatch.setenv("LOPPESTARS_CACHE", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


class TestTable:
    def test_every_tool_of_a_node_is_known(self) -> None:
        """`build` without names builds exactly these."""
        assert set(tools.NODE) <= set(tools.all_tools())

    def test_kubernetes_programs_share_the_pinned_version(self) -> None:
        """The version stamped into the programs is the one in go.mod."""
        version = tools.pinned_version(MODULES / "kubernetes", "k8s.io/kubernetes")
        programs = [tool for tool in tools.all_tools().values() if "k8s.io/kubernetes/cmd" in tool.package]
        assert len(programs) == 6
        assert {tool.version for tool in programs} == {version}
        assert all(f"gitVersion={version} " in tool.flags for tool in programs)

    def test_unknown_module_is_an_error(self) -> None:
        """A typo in the table is found at once."""
        with pytest.raises(LocalClusterError, match="does not require example"):
            tools.pinned_version(MODULES / "kubernetes", "example")


class TestFind:
    def test_missing_programs_are_named_with_the_way_out(self, cache: Path) -> None:
        """The message is the skip reason of the tests."""
        with pytest.raises(MissingBinaries, match=r"etcd, kubectl\. Build them once with `make cluster-tools`"):
            tools.find(["etcd", "kubectl"])

    def test_version_in_use_is_found(self, cache: Path) -> None:
        """Only the file of the version that the table names counts."""
        etcd = tools.all_tools()["etcd"]
        executable(cache / "bin" / "etcd-v0.0.1")
        with pytest.raises(MissingBinaries):
            tools.find(["etcd"])
        executable(etcd.path)
        assert tools.find(["etcd"]) == {"etcd": etcd.path}

    def test_kubebuilder_assets_come_first(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever has kubebuilder's programs needs no build."""
        theirs = executable(cache / "assets" / "etcd")
        executable(tools.all_tools()["etcd"].path)
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(theirs.parent))
        assert tools.find(["etcd"]) == {"etcd": theirs}
