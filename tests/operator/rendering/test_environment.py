"""What the components read, from the spec."""

import pytest

from loppestars_core.contract.variables import API_VARIABLES, CRAWLER_VARIABLES, IMAGING_VARIABLES
from loppestars_operator.rendering import ClusterFacts, environment, render
from tests.factories.stacks import make_context, make_stack

SOURCE = {"name": "torvet", "type": "jsonld", "startUrls": ["https://torvet.example/"]}
EVERYTHING = make_stack(
    database={"secretRef": {"name": "db"}, "directSecretRef": {"name": "db", "key": "direct"}},
    storage={
        "s3": {
            "endpoint": "http://s3:7070",
            "publicUrl": "https://photos.example.com",
            "credentialsSecretRef": {"name": "s3"},
        }
    },
    auth={
        "jwtSecretRef": {"name": "jwt"},
        "jwksUrl": "https://auth.example.com/keys",
        "issuer": "https://auth.example.com",
        "audience": "app",
    },
    api={"trustedProxies": ["10.0.0.0/8"]},
    imaging={"searchOrientations": "never"},
    crawler={"sources": [SOURCE]},
)


def variables(component: str, **changes: object) -> dict[str, str]:
    """The plain values that a component's container is given."""
    manifests = render(make_context(make_stack(**changes)))
    for manifest in manifests:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template and template["metadata"]["labels"]["app.kubernetes.io/component"] == component:
            return {
                variable["name"]: variable["value"]
                for variable in template["spec"]["containers"][0]["env"]
                if "value" in variable
            }
    raise AssertionError(component)


class TestEnvironment:
    """What the components read, from the spec."""

    def test_reserved_variables_are_those_that_are_set(self) -> None:
        """The rule of the CRD names each of them and no other."""
        context = make_context(EVERYTHING)
        found = {
            "api": (environment.api(context), API_VARIABLES),
            "imaging": (environment.imaging(context), IMAGING_VARIABLES),
            "crawler": (environment.crawler(context), CRAWLER_VARIABLES),
        }
        for component, (own, reserved) in found.items():
            names = {variable["name"] for variable in own} | (
                {"ORIGINALS_RETENTION"} if component == "imaging" else set()
            )
            assert names == set(reserved), component
            assert len(own) == len({variable["name"] for variable in own}), component

    @pytest.mark.parametrize("component", ["imaging", "sweep"])
    def test_search_of_orientations(self, component: str) -> None:
        """Only where the spec says it: pods of stacks that do not are left as they are."""
        assert "SEARCH_ORIENTATIONS" not in variables(component)
        assert variables(component, imaging={"searchOrientations": "always"})["SEARCH_ORIENTATIONS"] == "always"

    @pytest.mark.parametrize(
        ("gateway", "timeouts"),
        [
            ({}, {"request": "60s"}),
            ({"requestTimeout": "90s"}, {"request": "90s"}),
            ({"requestTimeout": ""}, None),
        ],
    )
    def test_gateway_waits_for_a_photo(self, gateway: dict[str, str], timeouts: dict[str, str] | None) -> None:
        """Longer than the API does; Envoy's own 15 seconds would cut off half of what the API waits for."""
        stack = make_stack(gateway={"parentRefs": [{"name": "public"}], **gateway})
        groups = ClusterFacts(frozenset({"gateway.networking.k8s.io"}))
        (route,) = [manifest for manifest in render(make_context(stack, groups)) if manifest["kind"] == "HTTPRoute"]
        assert route["spec"]["rules"][0].get("timeouts") == timeouts

    def test_public_url(self) -> None:
        """By the route, by its TLS, or as the spec says where neither knows."""
        assert variables("api")["PUBLIC_URL"] == "http://loppestars.example.com"
        secured = {"host": "a.example.com", "tls": {"secretName": "tls"}}
        assert variables("api", ingress=secured)["PUBLIC_URL"] == "https://a.example.com"
        assert variables("api", publicUrl="https://b.example.com/")["PUBLIC_URL"] == "https://b.example.com"
