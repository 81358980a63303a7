"""What each sample renders to, whole. `UPDATE_GOLDEN=1 pytest tests/operator/rendering` writes the files anew.

A pod template that changes here restarts pods at the next upgrade of the operator: read the difference with that in
mind.
"""

import os
from pathlib import Path

import pytest
import yaml

from loppestars_operator.rendering import ClusterFacts, render, render_crawl_job, render_migration, with_hash
from loppestars_operator.spec import Stack
from tests.factories.stacks import ALL_GROUPS, UID, make_context, make_crawl, sample

GOLDEN = Path(__file__).parent / "golden"
STACKS = ("01-minimal", "02-production", "03-gateway-api", "04-digests", "07-queue-depth")


def sample_stack(name: str) -> Stack:
    body = sample(name)
    body["metadata"] |= {"namespace": "shop", "uid": UID, "resourceVersion": "7", "generation": 1}
    return Stack.parse(body)


def check(name: str, manifests: list[dict[str, object]]) -> None:
    text = yaml.safe_dump_all(manifests, sort_keys=False, width=120)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs; run with UPDATE_GOLDEN=1 and read the difference"


class TestGolden:
    """What each sample renders to, whole. `UPDATE_GOLDEN=1 pytest tests/operator/rendering` writes the files anew."""

    @pytest.mark.parametrize("name", STACKS)
    def test_sample_renders_as_recorded(self, name: str) -> None:
        """Every object of the sample, with all add-ons installed and the migration Job."""
        context = make_context(sample_stack(name), ClusterFacts(ALL_GROUPS))
        check(name, [*render(context), with_hash(render_migration(context))])

    def test_minimal_sample_without_addons(self) -> None:
        """No kind of an add-on is rendered where its CRDs are missing."""
        manifests = render(make_context(sample_stack("01-minimal")))
        assert not {manifest["apiVersion"].split("/")[0] for manifest in manifests} & ALL_GROUPS

    def test_crawl_job_renders_as_recorded(self) -> None:
        """The Job of one Crawl that the API asked for."""
        crawl = make_crawl(
            runId="0b9e3f1c-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
            sources=["markedskalenderen"],
            limit=5,
            acceptShrink=True,
            dryRun=True,
        )
        check("crawl-job", [render_crawl_job(make_context(), crawl)])

    def test_rendering_is_repeatable_and_leaves_its_input_alone(self) -> None:
        """Twice the same input gives the same bytes, with nothing shared that a caller could change."""
        context = make_context(facts=ClusterFacts(ALL_GROUPS))
        first = yaml.safe_dump(render(context))
        second = render(context)
        second[0]["metadata"]["labels"]["app.kubernetes.io/name"] = "changed"
        assert yaml.safe_dump(render(context)) == first
