"""Packed bodies: whole when opened, and small beside others of their kind."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from loppestars_operator.cache import packing
from loppestars_operator.cache.packing import Packed

GOLDEN = Path(__file__).parents[1] / "rendering" / "golden" / "02-production.yaml"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


class TestPacking:
    """Packed bodies: whole when opened, and small beside others of their kind."""

    @given(st.lists(st.tuples(st.sampled_from(["Service", "Pod"]), st.dictionaries(st.text(), values)), min_size=1))
    def test_whatever_is_packed_comes_out_whole(self, bodies: list[tuple[str, dict[str, object]]]) -> None:
        """Whatever was packed first of its kind, and however much the next differs from it."""
        wholes = [{**body, "kind": kind} for kind, body in bodies]
        packed = [Packed.of(body) for body in wholes]
        assert [item.open() for item in packed] == wholes

    def test_second_of_a_kind_is_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A second stack's objects take less than a tenth of their text, where the first was a stack as large."""
        monkeypatch.setattr(packing, "_dictionaries", {})
        text = GOLDEN.read_text()
        for body in yaml.safe_load_all(text):
            Packed.of(body)
        others = list(yaml.safe_load_all(text.replace("shop", "market-hall")))
        packed = sum(len(Packed.of(body)) for body in others)
        assert packed < sum(len(json.dumps(body)) for body in others) / 10
