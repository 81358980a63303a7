"""Drift is found from managedFields alone: whatever the merge rules of a list are."""

import copy
from typing import Any

import pytest

from loppestars_operator.naming import FIELD_MANAGER
from loppestars_operator.reconcile.drift import crowded_lists, find_drift, quantity

RENDERED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a", "namespace": "n", "labels": {"app": "a"}, "annotations": {"hash": "1"}},
    "spec": {
        "paused": False,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "api",
                        "command": ["run", "fast"],
                        "env": [{"name": "A", "value": "1"}],
                        "resources": {"limits": {"cpu": "1000m"}},
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
                "finalizers": ["x"],
            }
        },
    },
}
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:annotations": {"f:hash": {}}},
    "f:spec": {
        "f:paused": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"api"}': {
                        ".": {},
                        "f:name": {},
                        "f:command": {},
                        "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
                        "f:resources": {"f:limits": {"f:cpu": {}}},
                    }
                },
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
                "f:finalizers": {'v:"x"': {}},
            }
        },
    },
}


def live(fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object as the server would return it: defaults added, quantities in their own form."""
    body = copy.deepcopy(RENDERED)
    body["metadata"]["managedFields"] = [
        {"manager": "somebody", "operation": "Update", "fieldsV1": {}},
        {"manager": FIELD_MANAGER, "operation": "Apply", "subresource": "status", "fieldsV1": {}},
        {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields or copy.deepcopy(FIELDS)},
    ]
    body["spec"]["revisionHistoryLimit"] = 10
    container(body)["imagePullPolicy"] = "Always"
    container(body)["resources"]["limits"]["cpu"] = "1"
    return body


def container(body: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return first


class TestFindDrift:
    def test_defaults_and_other_forms_of_quantities_are_no_drift(self) -> None:
        """What the server adds or writes otherwise is as rendered."""
        assert find_drift(RENDERED, live()) is None

    def test_what_others_add_is_theirs(self) -> None:
        """A sidecar, a variable, a label, a finalizer."""
        body = live()
        body["spec"]["template"]["spec"]["containers"].insert(0, {"name": "proxy"})
        body["spec"]["template"]["spec"]["finalizers"].append("y")
        body["metadata"]["labels"]["team"] = "web"
        body["spec"]["template"]["spec"]["containers"][1]["env"].append({"name": "B", "value": "2"})
        assert find_drift(RENDERED, body) is None

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            (lambda body: body["spec"].update(paused=True), "spec.paused"),
            (lambda body: body["metadata"]["labels"].update(app="b"), "metadata.labels.app"),
            (
                lambda body: container(body)["env"][0].update(value="2"),
                "spec.template.spec.containers[api].env[A].value",
            ),
            (lambda body: container(body)["env"].clear(), "spec.template.spec.containers[api].env[A]"),
            (lambda body: container(body).update(command=["run"]), "spec.template.spec.containers[api].command"),
            (lambda body: container(body)["command"].append("x"), "spec.template.spec.containers[api].command"),
            (lambda body: body["spec"]["template"]["spec"].pop("volumes"), "spec.template.spec.volumes"),
            (lambda body: body["spec"]["template"]["spec"]["finalizers"].clear(), "spec.template.spec.finalizers"),
            (
                lambda body: container(body)["resources"]["limits"].update(cpu="2"),
                "spec.template.spec.containers[api].resources.limits.cpu",
            ),
        ],
    )
    def test_changed_value_is_found_by_its_path(self, change: Any, path: str) -> None:
        """Scalars, keyed lists, atomic lists, sets, quantities."""
        body = live()
        change(body)
        assert find_drift(RENDERED, body) == path

    def test_field_that_somebody_took_over(self) -> None:
        """Even where its value still looks right: a foreign rule may hide beside ours in an atomic value."""
        fields = copy.deepcopy(FIELDS)
        del fields["f:spec"]["f:paused"]
        assert find_drift(RENDERED, live(fields)) == "spec.paused"

    def test_object_of_another_manager(self) -> None:
        """One that we never applied is ours to apply."""
        body = live()
        body["metadata"]["managedFields"].pop()
        assert find_drift(RENDERED, body) == "metadata.managedFields"


class TestDrift:
    """Drift is found from managedFields alone: whatever the merge rules of a list are."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            *[("1000m", "1"), ("1024Mi", "1Gi"), ("0.5", "500m"), ("1e3", "1k"), ("2", "2.0"), ("1048576", "1Mi")],
            # As a real API server stores them: in thousandths, rounded up, with every suffix there is.
            *[("0.0001", "1m"), ("1024Pi", "1Ei"), ("100000000000000000000", "100E"), ("12e5", "1200e3")],
            *[("1.0000000001Gi", "1073741824108m"), ("100u", "1m")],
        ],
    )
    def test_equal_quantities(self, one: str, other: str) -> None:
        """Forms that Kubernetes takes for the same amount."""
        assert quantity(one) == quantity(other)

    @pytest.mark.parametrize("text", ["", "abc", "1Xi", "--1", "1e9999999"])
    def test_what_is_no_quantity(self, text: str) -> None:
        """Text is not mistaken for an amount, and an amount beyond all bounds is no fault."""
        assert quantity(text) is None

    def test_crowded_lists_hold_items_of_others(self) -> None:
        """A port that took our name; not a list that holds ours alone, however many defaults it was given."""
        rendered = {
            "spec": {
                "ports": [{"name": "http", "port": 80}],
                "a/b": {"rules": [{"host": "x"}]},
                "externalIPs": ["10.0.0.1"],
            }
        }
        live = {
            "spec": {
                "ports": [{"name": "http", "port": 81, "protocol": "TCP"}],
                "a/b": {"rules": [{"host": "x", "path": "/"}]},
                "externalIPs": ["10.0.0.1", "10.0.0.2"],
            }
        }
        assert crowded_lists(rendered, live) == {"/spec/ports": [{"name": "http", "port": 80}]}
        live["spec"]["a/b"] = {"rules": [{"host": "x"}, {"host": "y"}]}
        assert "/spec/a~1b/rules" in crowded_lists(rendered, live)
