"""A release: versions agree, and charts can be installed from the registry that they were pushed to."""

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from loppestars_local.ports import answers, free_ports
from tests.factories.required import leave_out
from tools import release
from tools.cluster import images, tools
from tools.cluster.errors import MissingBinaries
from tools.cluster.processes import Child, wait_until

pytestmark = pytest.mark.cluster
CONFIGURATION = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry on loopback."""
    try:
        program = tools.find(["registry", "helm"])["registry"]
    except MissingBinaries as missing:
        leave_out(f"needs a registry and helm: {missing}")
    (port,) = free_ports(1)
    configuration = tmp_path / "registry.yaml"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path / "registry", port=port))
    child = Child("registry", [program, "serve", configuration], tmp_path / "registry.log")
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/"), "the registry", timeout=20)
        yield f"127.0.0.1:{port}/loppestars"
    finally:
        child.stop()


class TestRelease:
    """A release: versions agree, and charts can be installed from the registry that they were pushed to."""

    def test_charts_come_back_from_the_registry(
        self, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each is printed with the digest that the registry has, and the operator's brings its CRDs along."""
        assert release.main([f"--registry={registry}", "--charts-only", "--dirty"]) == 0
        lines = capsys.readouterr().out.splitlines()
        version = images.project_version()
        assert [line.partition("@")[0] for line in lines] == [
            f"oci://{registry}/charts/{chart}:{version}" for chart in release.CHARTS
        ]
        for chart, line in zip(release.CHARTS, lines, strict=True):
            host, _, prefix = registry.partition("/")
            request = urllib.request.Request(f"http://{host}/v2/{prefix}/charts/{chart}/manifests/{version}")
            request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.headers["Docker-Content-Digest"] == line.partition("@")[2]
        helm = str(tools.find(["helm"])["helm"])
        command = [helm, "template", "x", f"oci://{registry}/charts/loppestars-operator", "--plain-http"]
        done = subprocess.run(
            [*command, "--kube-version=1.34.0"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "kind: CustomResourceDefinition" in done.stdout

    def test_a_version_that_differs_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is pushed, and every place is told."""
        monkeypatch.setattr(images, "project_version", lambda: "7.8.9")
        assert release.main(["--registry=127.0.0.1:1/x", "--dirty"]) == 1
        told = capsys.readouterr().err
        assert "pyproject.toml says 7.8.9" in told
        assert "charts/loppestars-crds/Chart.yaml says version 0.1.0" in told

    def test_a_tree_that_is_no_commit_is_not_released(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Unless somebody says so."""
        monkeypatch.setattr(images, "revision", lambda: "abc-dirty")
        assert release.main(["--registry=127.0.0.1:1/x"]) == 1
        assert "commit first, or say --dirty" in capsys.readouterr().err
