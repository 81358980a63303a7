"""Turns the typed models into the CRDs of the chart `loppestars-crds`, and the values of `loppestars-stack`.

`python -m loppestars_operator.schema charts` writes them; a test holds that they are up to
date. The conversion knows only what the models use: references are inlined, optional values lose their `null`, and a
nested object whose fields all have defaults is itself defaulted, or the API server would not fill it in.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from loppestars_operator.naming import CRAWL_KIND, GROUP, STACK_KIND, VERSION
from loppestars_operator.spec.base import Model, rules
from loppestars_operator.spec.crawl import CrawlSpec, CrawlStatus
from loppestars_operator.spec.stack import StackSpec
from loppestars_operator.spec.state import StackStatus

Schema = dict[str, Any]

_DROPPED: Final = ("title", "$defs", "examples")
# 40 characters leave room for the longest suffix: a CronJob's name may have 52.
_STACK_NAME: Final = (
    "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "the name of a LoppestarsStack has at most 40 characters: lower-case letters, digits and dashes, a letter first",
)
_CRAWL_NAME: Final = ("self.metadata.name.size() <= 63", "the name of a Crawl has at most 63 characters")


def structural_schema(model: type[Model]) -> Schema:
    """Return the structural OpenAPI v3 schema of a model."""
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    merged = _resolve(schema, definitions)
    result: Schema = {key: value for key, value in merged.items() if key not in _DROPPED and value is not None}
    if result.get("additionalProperties") is False:
        del result["additionalProperties"]
    if "default" in result:
        result["default"] = _without_null(result["default"])
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "properties" in result:
        required = set(result.get("required", ()))
        result["properties"] = {
            name: _with_object_default(
                _convert(child, definitions),
                optional=name not in required
                and all(option.get("type") != "null" for option in child.get("anyOf", ())),
            )
            for name, child in result["properties"].items()
        }
    for nested in ("items", "additionalProperties"):
        if isinstance(result.get(nested), dict):
            result[nested] = _convert(result[nested], definitions)
    if "propertyNames" in result:
        del result["propertyNames"]  # not part of a structural schema; maps of labels are checked where they are used
    return result


def _resolve(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Inline a reference or the one alternative that is not null; what stands beside it wins."""
    beside = {key: value for key, value in schema.items() if key not in {"$ref", "anyOf"}}
    if "$ref" in schema:
        return _resolve({**definitions[schema["$ref"].rsplit("/", 1)[1]], **beside}, definitions)
    if "anyOf" in schema:
        (chosen,) = (option for option in schema["anyOf"] if option.get("type") != "null")
        return _resolve({**chosen, **beside}, definitions)
    return schema


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(child) for key, child in value.items() if child is not None}
    return [_without_null(child) for child in value] if isinstance(value, list) else value


def _with_object_default(schema: Schema, *, optional: bool) -> Schema:
    """Default a nested object to all its fields' defaults: rules are checked on the default as it is written."""
    if not optional or schema.get("type") != "object" or "properties" not in schema or schema.get("required"):
        return schema
    default = {name: child["default"] for name, child in schema["properties"].items() if "default" in child}
    return {**schema, "default": default}


def _column(name: str, path: str, kind: str = "string", priority: int = 0, description: str = "") -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    if priority:
        column["priority"] = priority
    if description:
        column["description"] = description
    return column


def _definition(  # noqa: PLR0913 - the parts of a CRD, each named at the call
    kind: str,
    plural: str,
    *,
    short_names: list[str],
    spec: type[Model],
    status: type[Model],
    name_rule: tuple[str, str],
    columns: list[Schema],
    status_extra: Schema,
) -> Schema:
    description = (spec.__doc__ or "").split("\n", 1)[0]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "loppestars", "app.kubernetes.io/part-of": "loppestars"},
            # Deleting the chart must not delete every stack.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": short_names,
                "categories": ["all", "loppestars"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": columns,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": description,
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": structural_schema(spec),
                                "status": structural_schema(status) | status_extra,
                            },
                            **rules(name_rule),
                        }
                    },
                }
            ],
        },
    }


def stack_definition() -> Schema:
    """Return the CustomResourceDefinition of LoppestarsStack."""
    return _definition(
        STACK_KIND,
        "loppestarsstacks",
        short_names=["lstack"],
        spec=StackSpec,
        status=StackStatus,
        name_rule=_STACK_NAME,
        # Without it clients that judge by kstatus, as Helm 4 and Flux, take a new object for one that is ready.
        status_extra={"default": {"observedGeneration": -1}},
        columns=[
            _column("Version", ".status.version", description="The version that serves."),
            _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _column("API", '.status.components[?(@.name=="api")].ready', "integer", description="Ready API pods."),
            _column("Imaging", '.status.components[?(@.name=="imaging")].ready', "integer"),
            _column("Last crawl", ".status.lastCrawl.state"),
            _column("Age", ".metadata.creationTimestamp", "date"),
            _column("URL", ".status.url", priority=1),
            _column("Recoverable", '.status.conditions[?(@.type=="Recoverable")].status', priority=1),
            _column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        ],
    )


def crawl_definition() -> Schema:
    """Return the CustomResourceDefinition of Crawl."""
    return _definition(
        CRAWL_KIND,
        "crawls",
        short_names=["crawl"],
        spec=CrawlSpec,
        status=CrawlStatus,
        name_rule=_CRAWL_NAME,
        status_extra={},
        columns=[
            _column("Stack", ".spec.stackRef.name"),
            _column("State", ".status.state"),
            _column("Trigger", ".status.trigger"),
            _column("Seen", ".status.counts.seen", "integer"),
            _column("New", ".status.counts.new", "integer"),
            _column("Failed", ".status.counts.failed", "integer"),
            _column("Age", ".metadata.creationTimestamp", "date"),
            _column("Message", ".status.message", priority=1),
        ],
    )


def definitions() -> dict[str, str]:
    """Return the file name and YAML text of each CRD."""
    header = "# Generated from the models in operator/loppestars_operator/spec by `make crds`; do not edit.\n"
    return {
        f"{crd['metadata']['name']}.yaml": header + yaml.safe_dump(crd, sort_keys=False, width=120, allow_unicode=True)
        for crd in (stack_definition(), crawl_definition())
    }


def values_schema() -> str:
    """Return `values.schema.json` of the chart `loppestars-stack`: its `spec` is that of the resource."""
    spec = _closed(structural_schema(StackSpec))
    spec["required"] = [name for name in spec["required"] if name != "version"]  # the chart's own, by default
    text = {"type": "string"}
    strings = {"type": "object", "additionalProperties": text}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": ["spec"],
        "properties": {"global": {"type": "object"}, "name": text, "labels": strings, "annotations": strings}
        | {"spec": spec},
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _closed(schema: Schema) -> Schema:
    """Turn a structural schema into a JSON schema that refuses unknown keys."""
    result: Schema = {
        key: value for key, value in schema.items() if not key.startswith("x-kubernetes-") and key != "default"
    }
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["string", "integer"]
    if "properties" in schema:
        result["properties"] = {name: _closed(child) for name, child in schema["properties"].items()}
        result["additionalProperties"] = False
    for nested in ("items", "additionalProperties"):
        if isinstance(schema.get(nested), dict):
            result[nested] = _closed(schema[nested])
    return result


def main() -> None:
    """Write the CRDs and the schema of the chart `loppestars-stack` below the folder given as the only argument."""
    charts = Path(sys.argv[1])
    for name, text in definitions().items():
        (charts / "loppestars-crds" / "templates" / name).write_text(text, encoding="utf-8")
    (charts / "loppestars-stack" / "values.schema.json").write_text(values_schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
