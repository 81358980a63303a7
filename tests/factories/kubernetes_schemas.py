"""JSON schemas of Kubernetes' kinds for kubeconform, made from what each release says of itself.

Kubernetes publishes its OpenAPI document in its Go module; CRDs carry theirs. Both are made strict: a field that no
schema knows is an error.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tools.cluster import tools

Schema = dict[str, Any]
VERSIONS = ("v1.32.0", "v1.33.0", "v1.34.0", "v1.35.0")
LOCATION = "{{ .NormalizedKubernetesVersion }}/{{ .ResourceKind }}{{ .KindSuffix }}.json"
_REFERENCE = "#/definitions/"
_INT_OR_STRING: Schema = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
_QUANTITY: Schema = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def write_schemas(directory: Path, version: str, crds: Iterable[Path]) -> None:
    """Write a file for each kind that a version of Kubernetes, or one of the CRD files, defines."""
    target = directory / version
    target.mkdir(parents=True)
    module = tools.module_directory("k8s.io/kubernetes", version)
    document = json.loads((module / "api" / "openapi-spec" / "swagger.json").read_text())
    definitions = {name: _strict(schema) for name, schema in document["definitions"].items()}
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = _INT_OR_STRING
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = _QUANTITY
    # A schema of schemas has properties called `$ref` and `$schema`, which kubeconform takes for its own.
    definitions["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"] = {"type": "object"}
    for name, definition in document["definitions"].items():
        for group in definition.get("x-kubernetes-group-version-kind", []):
            _write(target, group["group"], group["version"], group["kind"], _standalone(name, definitions))
    for path in crds:
        for crd in yaml.safe_load_all(path.read_text()):
            if crd and crd.get("kind") == "CustomResourceDefinition":
                _write_custom(target, crd)


def _write_custom(target: Path, crd: Schema) -> None:
    spec = crd["spec"]
    for version in spec["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        # The API server keeps these for every kind, whatever a CRD says of them.
        schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
        _write(target, spec["group"], version["name"], spec["names"]["kind"], schema)


def _write(target: Path, group: str, version: str, kind: str, schema: Schema) -> None:
    # kubeconform names a kind by the first part of its group.
    suffix = f"-{group.partition('.')[0]}-{version}" if group else f"-{version}"
    (target / f"{kind.lower()}{suffix}.json").write_text(json.dumps(schema))


def _standalone(name: str, definitions: dict[str, Schema]) -> Schema:
    """A definition with everything that it refers to."""
    reached: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        following = waiting.pop()
        if following not in reached:
            reached[following] = definitions[following]
            waiting += _references(definitions[following])
    return {"$ref": f"{_REFERENCE}{name}", "definitions": reached}


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for item in schema for name in _references(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].removeprefix(_REFERENCE)] if isinstance(schema.get("$ref"), str) else []
    return own + [name for value in schema.values() for name in _references(value)]


def _strict(schema: Any) -> Any:
    """A copy in which objects have no properties but those that are named."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return _INT_OR_STRING
    # A property may be called `properties`, but then its value is a schema and no list of names.
    strict = {key: _strict(value) for key, value in schema.items() if key != "format"}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        strict["additionalProperties"] = False
    return strict
