"""skaffold.yaml is what skaffold's own schema allows, and names what is there."""

import json

import jsonschema_rs
import pytest
import yaml

from tools.cluster import images, tools
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e

MODULE, VERSION = "github.com/GoogleContainerTools/skaffold/v2", "v2.16.1"


@pytest.fixture
def configuration() -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load((REPOSITORY / "skaffold.yaml").read_text())
    return document


class TestSkaffold:
    """skaffold.yaml is what skaffold's own schema allows, and names what is there."""

    def test_matches_the_schema_of_its_version(self, configuration: dict[str, object]) -> None:
        """The schema of the named apiVersion, as it lies in skaffold's module, accepts it and refuses a typo."""
        name = str(configuration["apiVersion"]).partition("/")[2]
        schemas = tools.module_directory(MODULE, VERSION) / "docs-v2/content/en/schemas"
        validator = jsonschema_rs.validator_for(json.loads((schemas / f"{name}.json").read_text()))
        assert [error.message for error in validator.iter_errors(configuration)] == []
        assert not validator.is_valid({**configuration, "biuld": {}})

    def test_builds_every_image_and_installs_charts_that_exist(self, configuration: dict[str, object]) -> None:
        """Each component is an artifact of its own target; the paths are there."""
        build, deploy = configuration["build"], configuration["deploy"]
        assert isinstance(build, dict)
        assert isinstance(deploy, dict)
        built = {(one["image"], one["docker"]["target"]) for one in build["artifacts"]}
        assert built == {(f"{images.REGISTRY}/{component}", component) for component in images.COMPONENTS}
        charts = [release["chartPath"] for release in deploy["helm"]["releases"]]
        assert all((REPOSITORY / chart / "Chart.yaml").is_file() for chart in charts)
