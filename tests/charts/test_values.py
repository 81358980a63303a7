"""Wrong values are refused by the charts themselves, before anything reaches a cluster."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.factories.required import leave_out
from tools.cluster import tools
from tools.cluster.errors import LocalClusterError
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.cluster
LABEL_VALUE = re.compile(r"([a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)?")
STACK = {"database": {"secretRef": {"name": "a"}}, "storage": {"s3": {}}, "auth": {"jwtSecretRef": {"name": "a"}}}


def template(chart: str, values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        helm = str(tools.find(["helm"])["helm"])
    except LocalClusterError as missing:
        leave_out(f"needs helm: {missing}")
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    path = str(REPOSITORY / "charts" / chart)
    command = [helm, "template", "release", path, f"--values={file}", "--kube-version=1.34.0"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestValues:
    """Wrong values are refused by the charts themselves, before anything reaches a cluster."""

    @pytest.mark.parametrize(
        ("chart", "values", "words"),
        [
            ("loppestars-operator", {"replicas": 2}, ["additional properties 'replicas' not allowed"]),
            ("loppestars-operator", {"replicaCount": 0}, ["/replicaCount", "minimum"]),
            ("loppestars-operator", {"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "'Always'"]),
            ("loppestars-operator", {"watchNamespaces": "shop"}, ["/watchNamespaces", "want array"]),
            ("loppestars-operator", {"monitoring": {"interval": "often"}}, ["/monitoring/interval"]),
            ("loppestars-stack", {"specs": {}}, ["additional properties 'specs' not allowed"]),
            ("loppestars-stack", {"spec": {**STACK, "moon": 1}}, ["/spec", "'moon' not allowed"]),
            (
                "loppestars-stack",
                {"spec": {**STACK, "imaging": {"blur": {"style": "nice"}}}},
                ["/spec/imaging/blur/style"],
            ),
        ],
    )
    def test_wrong_values_are_named(self, tmp_path: Path, chart: str, values: dict[str, Any], words: list[str]) -> None:
        """With the path of the value and what is allowed there."""
        done = template(chart, values, tmp_path)
        assert done.returncode != 0
        assert all(word in done.stderr for word in words), done.stderr

    def test_the_stack_is_word_for_word(self, tmp_path: Path) -> None:
        """Nothing is added to the spec but the version of the chart, where none is given."""
        done = template("loppestars-stack", {"spec": STACK}, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "version: 0.1.0" in done.stdout
        assert "secretRef:" in done.stdout
        chosen = template("loppestars-stack", {"spec": {**STACK, "version": "7.8.9"}}, tmp_path)
        assert "version: 7.8.9" in chosen.stdout
        assert "api:7.8.9" in chosen.stdout, "the test uses the image that serves"

    @pytest.mark.parametrize("chart", ["loppestars-operator", "loppestars-stack"])
    def test_versions_with_build_metadata_make_valid_labels(self, tmp_path: Path, chart: str) -> None:
        """A version such as 0.1.0+5 is one of SemVer, and no label may hold a plus sign."""
        folder = tmp_path / chart
        shutil.copytree(REPOSITORY / "charts" / chart, folder)
        about = yaml.safe_load((folder / "Chart.yaml").read_text())
        about.pop("dependencies", None)
        (folder / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "0.1.0+5"}))
        done = template(str(folder), {"spec": STACK} if chart == "loppestars-stack" else {}, tmp_path)
        assert done.returncode == 0, done.stderr
        labels = {
            (name, value)
            for document in yaml.safe_load_all(done.stdout)
            if document
            for name, value in (document["metadata"].get("labels") or {}).items()
        }
        assert ("helm.sh/chart", f"{chart}-0.1.0_5") in labels
        assert not [value for _, value in labels if not LABEL_VALUE.fullmatch(str(value))]
