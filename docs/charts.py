"""Write the README.md of each chart from its Chart.yaml and values.yaml: `make docs`. A test fails when one is old."""

import re
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).parents[1] / "charts"
_DESCRIPTION = re.compile(r"^(?P<indent> *)# -- (?P<text>.+)$")
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w-]*):")
_USE = {
    "loppestars-crds": """```sh
helm upgrade --install loppestars-crds oci://ghcr.io/loppestars/charts/loppestars-crds
```
An upgrade of the release upgrades the CRDs, which Helm's `crds/` folders never do. They are kept when the release is
uninstalled (`helm.sh/resource-policy: keep`), since every stack would go with them; `kubectl delete crd
loppestarsstacks.loppestars.dev crawls.loppestars.dev` removes them and all stacks.""",
    "loppestars-operator": """```sh
helm upgrade --install loppestars-operator oci://ghcr.io/loppestars/charts/loppestars-operator \\
  --namespace loppestars-system --create-namespace
helm test loppestars-operator --namespace loppestars-system
```
An upgrade of the operator restarts no pod of a stack as long as what it renders is the same. Uninstalling it leaves
stacks, their pods and the CRDs as they are; nothing of them is mended until an operator is back. Helm 4 takes over CRDs
that were kept only with `--server-side=false` (helm/helm#31510).""",
    "loppestars-stack": """```sh
helm upgrade --install fair oci://ghcr.io/loppestars/charts/loppestars-stack --namespace fair --values my-values.yaml
helm test fair --namespace fair
```
Renders one LoppestarsStack and nothing clever; `kubectl apply` does as well. Uninstalling removes what the stack owns;
the database and the buckets stay.

```yaml
# my-values.yaml
spec:
  ingress: {host: loppestars.example.com}
  database: {secretRef: {name: loppestars-database}}
  storage: {s3: {endpoint: https://s3.example.com, credentialsSecretRef: {name: loppestars-s3}}}
  auth: {jwtSecretRef: {name: loppestars-jwt}}
```
The three Secrets hold `url`; `accessKeyId` and `secretAccessKey`; `secret`. Each bears the label
`loppestars.dev/stacks: any`. Of a checkout, `charts/loppestars-stack` takes the place of the `oci://` address.""",
}


def described(text: str) -> dict[str, str]:
    """Path of each value that has a comment `# -- …` above it, and the comment."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    pending = None
    for line in text.splitlines():
        if comment := _DESCRIPTION.match(line):
            pending = comment["text"]
        elif key := _KEY.match(line):
            indent = len(key["indent"])
            path = [*((depth, name) for depth, name in path if depth < indent), (indent, key["key"])]
            if pending is not None:
                found[".".join(name for _, name in path)] = pending
            pending = None
    return found


def at(values: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - whatever a value is
    """The value of a path with dots."""
    for part in path.split("."):
        values = values[part]
    return values


def readme(chart: Path) -> str:
    """The whole page."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    parts = [f"# {about['name']}", about["description"], "", _USE[about["name"]]]
    file = chart / "values.yaml"
    if file.exists():
        values = yaml.safe_load(file.read_text())
        parts += ["", "| value | default | meaning |", "|---|---|---|"]
        for path, text in described(file.read_text()).items():
            default = yaml.safe_dump(at(values, path), default_flow_style=True, width=1000).removesuffix("\n...\n")
            parts.append(f"| `{path}` | `{default.strip()}` | {text} |")
    parts += ["", "This page is made by `make docs`.", ""]
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """Every page by its path."""
    return {chart.parent / "README.md": readme(chart.parent) for chart in sorted(CHARTS.glob("*/Chart.yaml"))}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
