"""The CRDs of the chart are those of the models, and every value in them is bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loppestars_operator.schema import crawl_definition, definitions, stack_definition, structural_schema, values_schema
from loppestars_operator.spec.crawl import CrawlSpec
from loppestars_operator.spec.stack import StackSpec

CHART = Path(__file__).parents[2] / "charts" / "loppestars-crds" / "templates"
LIMIT = 262_144


def unbounded(schema: dict[str, Any], path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    kind = schema.get("type")
    if kind == "string" and not ({"maxLength", "enum"} & schema.keys()):
        yield path
    if kind == "integer" and not {"minimum", "maximum"} <= schema.keys():
        yield path
    if kind == "array":
        if "maxItems" not in schema:
            yield path
        yield from unbounded(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        if "maxProperties" not in schema:
            yield path
        yield from unbounded(schema["additionalProperties"], f"{path}{{}}")
    for name, child in schema.get("properties", {}).items():
        yield from unbounded(child, f"{path}.{name}")


class TestSchema:
    """The CRDs of the chart are those of the models, and every value in them is bounded."""

    @pytest.mark.parametrize(("name", "text"), definitions().items())
    def test_chart_holds_the_generated_definition(self, name: str, text: str) -> None:
        """`make crds` was run after the models changed; the file stays below the API server's annotation limit."""
        assert (CHART / name).read_text() == text
        assert len(text.encode()) < LIMIT

    def test_stack_chart_holds_the_generated_schema(self) -> None:
        """The chart `loppestars-stack` takes what the resource takes."""
        assert (CHART.parents[1] / "loppestars-stack" / "values.schema.json").read_text() == values_schema()

    @pytest.mark.parametrize("definition", [stack_definition(), crawl_definition()], ids=["LoppestarsStack", "Crawl"])
    def test_every_value_is_bounded(self, definition: dict[str, Any]) -> None:
        """Unbounded values make CEL rules exceed their cost budget, and status grow without end."""
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        assert list(unbounded(schema["spec"], "spec")) + list(unbounded(schema["status"], "status")) == []

    @pytest.mark.parametrize("model", [StackSpec, CrawlSpec])
    def test_schema_is_structural(self, model: type[Any]) -> None:
        """No references, alternatives or nulls are left: the API server would refuse them."""
        text = yaml.safe_dump(structural_schema(model))
        assert not [word for word in ("$ref", "anyOf", "allOf", "title:", "null") if word in text]

    def test_rules_say_what_to_do(self) -> None:
        """Each CEL rule has a message of its own."""
        text = yaml.safe_dump([stack_definition(), crawl_definition()])
        assert text.count("rule:") == text.count("message: ")

    def test_no_default_where_one_of_two_is_asked_for(self) -> None:
        """A default for autoscaling would break every stack that sets replicas."""
        properties = structural_schema(StackSpec)["properties"]
        assert "default" not in properties["api"]["properties"]["autoscaling"]
        assert "autoscaling" not in properties["api"]["default"]

    def test_definitions_survive_an_uninstall(self) -> None:
        """Deleting the chart must not delete every stack."""
        for text in definitions().values():
            assert yaml.safe_load(text)["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
