"""A stack of an earlier operator is taken over: what it rendered is in `earlier/`, as commit e5c370f wrote it."""

from pathlib import Path
from typing import Any, Final

import yaml

from loppestars_operator.kinds import STACK, Manifest, kind_named
from loppestars_operator.naming import FIELD_MANAGER
from tests.factories.passes import DEPLOYMENT, JOB, KEY, Passes
from tests.factories.stacks import UID, sample

EARLIER: Final = Path(__file__).parent / "earlier" / "01-minimal.yaml"


async def earlier_stack(passes: Passes) -> None:
    """Put a stack as the earlier operator left it: its objects, all available, and its status."""
    manifests = [found for found in yaml.safe_load_all(EARLIER.read_text()) if not kind_named(found["kind"]).addon]
    job = next(manifest for manifest in manifests if manifest["kind"] == "Job")
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "uid": UID, "generation": 1}
    images = {name: f"ghcr.io/loppestars/{name}:0.1.0" for name in ("api", "imaging", "crawler")}
    database = "loppestars-database/url"
    migrated = {"image": images["api"], "job": job["metadata"]["name"], "succeeded": True, "database": database}
    rollout = {"version": "0.1.0", "serving": images, "database": database}
    status = {"observedGeneration": 1, "version": "0.1.0", "phase": "Ready", "migration": migrated, "rollout": rollout}
    passes.kube.put(STACK, {"metadata": metadata, "spec": sample("01-minimal")["spec"], "status": status})
    for manifest in manifests:
        kind = kind_named(manifest["kind"])
        path = kind.path(KEY.namespace, manifest["metadata"]["name"])
        await passes.client.apply(path, manifest, manager=FIELD_MANAGER)
    passes.play()


def templates(passes: Passes) -> dict[str, Manifest]:
    """Return the pod template of each Deployment."""
    return {body["metadata"]["name"]: body["spec"]["template"] for body in passes.kube.all(DEPLOYMENT)}


def changes(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, by path; entries of lists are matched by name."""
    if isinstance(before, list) and isinstance(after, list) and before and "name" in before[0]:
        return changes({entry["name"]: entry for entry in before}, {entry["name"]: entry for entry in after}, path)
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return {} if before == after else {path: (before, after)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in before | after:
        found |= changes(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
    return found


class TestTakeover:
    async def test_pods(self) -> None:
        """No pod restarts that need not: imaging's stay, the API's roll for one field, and jobs are new.

        The probe of the API asks a path that does not depend on storage and queue, which all replicas share.
        """
        passes = Passes()
        await earlier_stack(passes)
        before = templates(passes)
        await passes.ready()
        after = templates(passes)
        assert changes(before["fair-imaging"], after["fair-imaging"]) == {}
        assert changes(before["fair-api"], after["fair-api"]) == {
            "spec.containers.api.readinessProbe.httpGet.path": ("/ready", "/serving")
        }
        assert after.keys() - before.keys() == {"fair-jobs"}

    async def test_settles(self) -> None:
        """The stack is Ready, its database is not migrated again, and a further pass writes nothing."""
        passes = Passes()
        await earlier_stack(passes)
        jobs = [job["metadata"]["uid"] for job in passes.kube.all(JOB)]
        await passes.ready()
        assert passes.condition("Ready")["status"] == "True"
        assert [job["metadata"]["uid"] for job in passes.kube.all(JOB)] == jobs
        written = passes.kube.version
        await passes.run()
        assert passes.kube.version == written
