"""Every pod of every sample keeps the rules of restricted Pod Security, and then some."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from loppestars_operator.naming import SECRETS_ANNOTATION
from loppestars_operator.rendering import ClusterFacts, render
from tests.factories.stacks import make_context, make_stack

GOLDEN = Path(__file__).parent / "golden"


def templates() -> list[Any]:
    found = []
    for path in sorted(GOLDEN.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            spec = manifest.get("spec", {})
            template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if template:
                found.append(pytest.param(manifest["kind"], template, id=f"{path.stem}-{manifest['metadata']['name']}"))
    return found


def template_of(component: str, facts: ClusterFacts | None = None, **spec: Any) -> dict[str, Any]:
    manifests = render(make_context(make_stack(**spec), facts))
    name = f"fair-{component}"
    found = next(
        manifest for manifest in manifests if manifest["kind"] == "Deployment" and manifest["metadata"]["name"] == name
    )
    template: dict[str, Any] = found["spec"]["template"]
    return template


def container(component: str, **changes: Any) -> dict[str, Any]:
    for manifest in render(make_context(make_stack(**changes))):
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template and template["metadata"]["labels"]["app.kubernetes.io/component"] == component:
            found: dict[str, Any] = template["spec"]["containers"][0]
            return found
    raise AssertionError(component)


class TestPods:
    """Every pod of every sample keeps the rules of restricted Pod Security, and then some."""

    @pytest.mark.parametrize(("kind", "template"), templates())
    def test_pod_is_restricted(self, kind: str, template: dict[str, Any]) -> None:
        """Non-root, read-only, no capabilities, bounded memory, a token only where Crawls are created."""
        pod, (container,) = template["spec"], template["spec"]["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
        assert pod["automountServiceAccountToken"] is (container["name"] == "api")
        assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"])
        if kind == "Deployment":
            assert container["livenessProbe"]["httpGet"]["path"] == "/health"
            ready = "/serving" if container["name"] == "api" else "/ready"
            assert container["readinessProbe"]["httpGet"]["path"] == ready
            assert "startupProbe" in container
            assert pod["topologySpreadConstraints"]
        else:
            assert pod["restartPolicy"] == "Never"

    def test_rotated_secret_changes_only_the_pods_that_use_it(self) -> None:
        """The token secret is the API's; the database is everybody's."""
        versions = {"loppestars-database": "1", "loppestars-s3": "1", "loppestars-jwt": "1"}
        before, after = ClusterFacts(secrets=versions), ClusterFacts(secrets=versions | {"loppestars-jwt": "2"})
        assert template_of("api", before) != template_of("api", after)
        assert template_of("imaging", before) == template_of("imaging", after)
        assert SECRETS_ANNOTATION not in template_of("api")["metadata"].get("annotations", {})

    def test_overrides_do_not_displace_the_operators_own(self) -> None:
        """Labels that select and variables that configure win over those of the spec."""
        pod = {
            "labels": {"team": "web", "app.kubernetes.io/component": "other"},
            "env": [{"name": "LOG_LEVEL", "value": "DEBUG"}, {"name": "PORT", "value": "1"}],
            "nodeSelector": {"disk": "ssd"},
        }
        template = template_of("api", pod=None, api={"pod": pod})
        labels = template["metadata"]["labels"]
        assert (labels["team"], labels["app.kubernetes.io/component"]) == ("web", "api")
        variables = {variable["name"]: variable.get("value") for variable in template["spec"]["containers"][0]["env"]}
        assert (variables["LOG_LEVEL"], variables["PORT"]) == ("DEBUG", "8080")
        assert template["spec"]["nodeSelector"] == {"disk": "ssd"}

    def test_grace_period_exceeds_the_drain(self) -> None:
        """`/process` waits 30 s; the pod stays until it has answered."""
        pod = template_of("api")["spec"]
        assert (
            pod["terminationGracePeriodSeconds"] > 30 + pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        )

    @pytest.mark.parametrize(
        ("chosen", "memory"),
        [
            ({}, ("192Mi", "512Mi")),
            ({"requests": {"memory": "1Gi"}}, ("1Gi", "1Gi")),
            ({"requests": {"memory": "256Mi"}}, ("256Mi", "512Mi")),
            ({"limits": {"memory": "128Mi"}}, ("128Mi", "128Mi")),
            ({"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}, ("2Gi", "1Gi")),
        ],
    )
    def test_defaults_give_way_to_what_is_chosen(self, chosen: dict[str, Any], memory: tuple[str, str]) -> None:
        """A request of 1 GiB raises the limit of 512 MiB that the spec does not set; a contradiction stays one."""
        resources = container("api", api={"resources": chosen})["resources"]
        assert (resources["requests"]["memory"], resources["limits"]["memory"]) == memory

    def test_sweep_does_not_reserve_what_the_workers_need(self) -> None:
        """It deletes; they decode photos. Where they run and what else they are told holds for both."""
        changes = {"resources": {"requests": {"cpu": "4"}}, "pod": {"nodeSelector": {"disk": "fast"}}}
        assert container("imaging", imaging=changes)["resources"]["requests"]["cpu"] == "4"
        assert container("sweep", imaging=changes)["resources"]["requests"]["cpu"] == "50m"


class TestPodTemplate:
    """A patch adds to a pod; what makes the pod the component's own stays."""

    def rendered(self, patch: dict[str, Any]) -> dict[str, Any]:
        stack = make_stack(api={"podTemplate": patch})
        manifests = render(make_context(stack))
        (found,) = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == ("Deployment", "fair-api")]
        template: dict[str, Any] = found["spec"]["template"]
        return template

    def test_adds(self) -> None:
        """A sidecar, a volume, user IDs."""
        sidecar = {"name": "proxy", "image": "r/proxy:1"}
        mount = {"name": "cache", "mountPath": "/cache"}
        pod = self.rendered(
            {
                "metadata": {"annotations": {"team": "web"}},
                "spec": {
                    "securityContext": {"runAsUser": 1000},
                    "volumes": [{"name": "cache", "emptyDir": {}}],
                    "containers": [sidecar, {"name": "api", "volumeMounts": [mount]}],
                },
            }
        )
        assert pod["metadata"]["annotations"] == {"team": "web"}
        spec = pod["spec"]
        assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["runAsNonRoot"]) == (1000, True)
        assert [volume["name"] for volume in spec["volumes"]] == ["tmp", "cache"]
        assert [container["name"] for container in spec["containers"]] == ["api", "proxy"]
        assert [found["mountPath"] for found in spec["containers"][0]["volumeMounts"]] == ["/tmp", "/cache"]  # noqa: S108 - an emptyDir

    def test_own_part_stays(self) -> None:
        """Labels that select, account, image, command, variables."""
        before = self.rendered({"spec": {"terminationGracePeriodSeconds": 90}})
        after = self.rendered(
            {
                "metadata": {"labels": {"app.kubernetes.io/component": "other"}},
                "spec": {
                    "terminationGracePeriodSeconds": 90,
                    "serviceAccountName": "admin",
                    "containers": [
                        {
                            "name": "api",
                            "image": "evil",
                            "command": ["sh"],
                            "args": ["-c"],
                            "env": [{"name": "DATABASE_URL", "value": "postgresql://evil/x"}],
                        }
                    ],
                },
            }
        )
        assert after["metadata"] == before["metadata"]
        assert after["spec"]["serviceAccountName"] == "fair-api"
        own, ours = after["spec"]["containers"][0], before["spec"]["containers"][0]
        assert (own["image"], own["command"], own.get("args")) == (ours["image"], ours["command"], None)
        urls = [variable for variable in own["env"] if variable["name"] == "DATABASE_URL"]
        assert urls == [variable for variable in ours["env"] if variable["name"] == "DATABASE_URL"]
