"""kubeconform, strict, over everything that is rendered, for each supported release of Kubernetes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.factories.kubernetes_schemas import LOCATION, VERSIONS, write_schemas
from tests.factories.required import leave_out
from tools.cluster import addons, tools
from tools.cluster.errors import LocalClusterError
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.cluster
CHARTS = REPOSITORY / "charts"
OPERATOR_VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "replicaCount": 3,
        "readSecrets": True,
        "image": {"pullSecrets": [{"name": "registry"}], "tag": "1.2.3"},
        "serviceAccount": {"annotations": {"a": "b"}},
        "podLabels": {"team": "web"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "monitoring": {"mode": "Enabled", "labels": {"release": "prometheus"}},
    },
    "namespaced": {"watchNamespaces": ["shop", "fair"], "crds": {"install": False}},
    "bare": {"networkPolicy": {"enabled": False}, "monitoring": {"mode": "Disabled", "dashboards": False}},
}
STACK_VALUES = {
    path.stem: {"spec": next(yaml.safe_load_all(path.read_text()))["spec"], "labels": {"a": "b"}}
    for path in sorted((REPOSITORY / "k8s" / "samples").glob("0[1-57]*.yaml"))
}


def helm(chart: str, values: dict[str, Any], folder: Path) -> str:
    """What a chart renders to, its tests and CRDs included."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    program = str(tools.find(["helm"])["helm"])
    command = [
        program,
        "template",
        "release",
        str(CHARTS / chart),
        "--namespace=shop",
        f"--values={file}",
        "--include-crds",
        "--kube-version=1.32.0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that we render or ship, a file each."""
    folder, scratch = tmp_path_factory.mktemp("rendered"), tmp_path_factory.mktemp("values")
    try:
        tools.find(["helm", "kubeconform"])
    except LocalClusterError as missing:
        leave_out(f"needs helm and kubeconform: {missing}")
    for name, values in OPERATOR_VALUES.items():
        (folder / f"operator-{name}.yaml").write_text(helm("loppestars-operator", values, scratch))
    for name, values in STACK_VALUES.items():
        (folder / f"stack-{name}.yaml").write_text(helm("loppestars-stack", values, scratch))
    (folder / "crds.yaml").write_text(helm("loppestars-crds", {}, scratch))
    shipped = [
        *(REPOSITORY / "tests" / "operator" / "rendering" / "golden").glob("*.yaml"),
        *(path for path in (REPOSITORY / "k8s" / "dev").glob("*.yaml") if not path.name.endswith("-values.yaml")),
        *(REPOSITORY / "k8s" / "samples").glob("0[0-7]*.yaml"),
    ]
    assert len(shipped) > 12
    for path in shipped:
        (folder / f"{path.parent.name}-{path.name}").write_text(path.read_text())
    return folder


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for schemas; each version adds its own."""
    return tmp_path_factory.mktemp("schemas")


def kubeconform(schemas: Path, version: str, *paths: Path) -> dict[str, Any]:
    """Its report, every object in it."""
    command = [
        str(tools.find(["kubeconform"])["kubeconform"]),
        "-strict",
        "-summary",
        "-verbose",
        "-output=json",
        f"-kubernetes-version={version.removeprefix('v')}",
        f"-schema-location={schemas}/{LOCATION}",
        *map(str, paths),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


class TestConform:
    """kubeconform, strict, over everything that is rendered, for each supported release of Kubernetes."""

    @pytest.mark.parametrize("version", VERSIONS)
    def test_everything_conforms(self, rendered: Path, schemas: Path, version: str) -> None:
        """No object is refused, none is left out for want of a schema."""
        ours = (CHARTS / "loppestars-crds" / "templates").glob("*.yaml")
        write_schemas(schemas, version, [*addons.crd_files(), *ours])
        found = kubeconform(schemas, version, rendered)
        wrong = [resource for resource in found["resources"] if resource["status"] != "statusValid"]
        assert [
            (resource["filename"].rpartition("/")[2], resource["kind"], resource["msg"]) for resource in wrong
        ] == []
        assert found["summary"] == found["summary"] | {"invalid": 0, "errors": 0, "skipped": 0}
        assert found["summary"]["valid"] > 150

    def test_what_is_wrong_is_found(self, schemas: Path, tmp_path: Path) -> None:
        """The schemas are strict: an unknown field, a wrong type and an unknown kind are refused."""
        version = VERSIONS[-1]
        if not (schemas / version).exists():
            write_schemas(schemas, version, [])
        meta = {"name": "x"}
        wrong: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"prots": []}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": "three"}},
            {"apiVersion": "v1", "kind": "Servicce", "metadata": meta},
        ]
        path = tmp_path / "wrong.yaml"
        path.write_text(yaml.safe_dump_all(wrong))
        found = kubeconform(schemas, version, path)
        assert [resource["status"] for resource in found["resources"]].count("statusValid") == 0
        assert len(found["resources"]) == len(wrong)
