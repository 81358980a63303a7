"""Building blocks of the custom resources: every string, list, map and number has a bound.

The models are the only description of the resources. `schema.py` turns them into the CRDs' OpenAPI schema, and the
operator parses what the API server hands it with the same classes. Unbounded values would let one CEL rule exceed
the API server's cost budget, so a test refuses a property without a bound.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel


def rules(*validations: tuple[str, str]) -> dict[str, Any]:
    """CEL rules and their messages as the API server expects them."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in validations]}


class Model(BaseModel):
    """Camel case outside, snake case inside; unknown keys of a newer CRD are ignored rather than fatal."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def to_json(self) -> dict[str, Any]:
        """Return the value as the API server stores it, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_stored(self) -> dict[str, Any]:
        """Return the value without what is at its default, from which it can be read again."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
QUANTITY: Final = r"^[+]?[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|[eE][0-9]+)?$"
_PART: Final = "[a-z0-9]([a-z0-9._-]*[a-z0-9])?"
REGISTRY: Final = rf"^{_PART}(:[0-9]{{1,5}})?(/{_PART})*$"
IMAGE: Final = rf"^{_PART}(:[0-9]{{1,5}})?(/{_PART})*(:[a-zA-Z0-9_][a-zA-Z0-9._-]*|@sha256:[a-f0-9]{{64}})$"

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN)]
Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
LabelKey = Annotated[str, Field(min_length=1, max_length=316)]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?)?$")]
AnnotationValue = Annotated[str, Field(max_length=4096)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]
Annotations = Annotated[dict[LabelKey, AnnotationValue], Field(max_length=32)]
ImageName = Annotated[str, Field(min_length=3, max_length=512, pattern=IMAGE)]
Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$",
    ),
]
# A host without user or password, which would stand in the open, and a port that exists.
_PORT: Final = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
URL: Final = rf"^https?://([^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:{_PORT})?(/[^\s]*)?$"
Url = Annotated[str, Field(min_length=8, max_length=512, pattern=URL)]
Cidr = Annotated[str, Field(min_length=3, max_length=43, pattern=r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$")]
Cidrs = Annotated[list[Cidr], Field(max_length=32)]
Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[list[Port], Field(max_length=8)]
Quantity = Annotated[
    str | int,
    AfterValidator(str),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": QUANTITY, "maxLength": 32}),
]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Text = Annotated[str, Field(max_length=4096)]
Word = Annotated[str, Field(max_length=253)]
MAX_COUNTED: Final = 2_000_000_000
Count = Annotated[int, Field(ge=0, le=MAX_COUNTED)]


def unique_names(field: str, thing: str) -> tuple[str, str]:
    """CEL rule that no two items of an optional list have the same name: Kubernetes keeps such lists by name."""
    rule = f"!has(self.{field}) || self.{field}.all(one, self.{field}.exists_one(other, other.name == one.name))"
    return rule, f"two {thing} have the same name; remove one"


def each_once(field: str) -> tuple[str, str]:
    """CEL rule that an optional list holds nothing twice."""
    rule = f"!has(self.{field}) || self.{field}.all(item, self.{field}.exists_one(other, other == item))"
    return rule, f"{field} names something twice; remove one"


def addresses(field: str, *, single: bool = False) -> tuple[str, str]:
    """CEL rule that an optional list holds networks, or, where `single` says so, addresses too."""
    test, allowed = (
        "isCIDR(one) && cidr(one) == cidr(one).masked()",
        "networks, e.g. 10.0.0.0/8 or fd00::/8",
    )
    if single:
        test, allowed = (
            "isIP(one) || (isCIDR(one) && cidr(one) == cidr(one).masked())",
            "addresses or networks, e.g. 10.0.0.7 or 10.0.0.0/8",
        )
    return f"!has(self.{field}) || self.{field}.all(one, {test})", f"{field} holds {allowed}"
