"""A kubelet made of patches: pods get the status that a rule gives them, so that Deployments and Jobs complete.

Real controllers run above it; only what a node would do is played. Pods stay unscheduled, so deleting one is final at
once. A rule may change while it runs, which is how a test breaks and mends an image.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from loppestars_operator.kinds import POD, Manifest
from loppestars_operator.kube.client import KubeClient, KubeError

COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Running:
    """The container runs and is ready."""


@dataclass(frozen=True)
class Waiting:
    """The container does not start."""

    reason: str
    message: str


@dataclass(frozen=True)
class Ended:
    """The container ended."""

    code: int = 0
    message: str = ""


Outcome = Running | Waiting | Ended | None
Rule = Callable[[Manifest], Outcome]


def healthy(pod: Manifest) -> Outcome:
    """Services run, Jobs succeed; a crawl reports counts as the crawler does."""
    component = pod["metadata"]["labels"].get(COMPONENT)
    if component == "crawler":
        return Ended(0, crawl_report())
    return Ended(0) if pod["spec"]["restartPolicy"] == "Never" else Running()


def crawl_report(**changes: Any) -> str:
    counts = {"seen": 12, "new": 3, "changed": 1, "unchanged": 8, "vanished": 0, "skipped": 0, "failed": 0}
    return json.dumps({"state": "succeeded", "counts": counts} | changes)


class FakeKubelet:
    """`with FakeKubelet(kubeconfig) as kubelet:`; `kubelet.rules[namespace] = rule` changes what happens there."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = str(kubeconfig)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="kubelet", daemon=True)
        self.rules: dict[str, Rule] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    async def _run(self) -> None:
        async with await KubeClient.connect(self._kubeconfig) as kube:
            while not self._stop.is_set():
                with contextlib.suppress(KubeError):
                    for pod in (await kube.get(POD.path()))["items"]:
                        await self._play(kube, pod)
                await asyncio.sleep(0.1)

    async def _play(self, kube: KubeClient, pod: Manifest) -> None:
        if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"} or "deletionTimestamp" in pod["metadata"]:
            return
        outcome = self.rules.get(pod["metadata"]["namespace"], healthy)(pod)
        status = None if outcome is None else _status(pod, outcome)
        if status is None or _same(pod["status"], status):
            return
        meta = pod["metadata"]
        path = POD.path(meta["namespace"], meta["name"]) + "/status"
        with contextlib.suppress(KubeError):
            await kube.call(
                "PATCH", path, body={"status": status}, content_type="application/strategic-merge-patch+json"
            )


def _status(pod: Manifest, outcome: Running | Waiting | Ended) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = isinstance(outcome, Running)
    match outcome:
        case Running():
            phase, state = "Running", {"running": {"startedAt": now}}
        case Waiting(reason, message):
            phase, state = "Pending", {"waiting": {"reason": reason, "message": message}}
        case Ended(code, message):
            phase = "Failed" if code else "Succeeded"
            ended = {"exitCode": code, "message": message, "reason": "Error" if code else "Completed"}
            state = {"terminated": {**ended, "startedAt": now, "finishedAt": now}}
    container = pod["spec"]["containers"][0]
    return {
        "phase": phase,
        "conditions": [
            {"type": kind, "status": "True" if ready else "False", "lastTransitionTime": now}
            for kind in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": ready,
                "restartCount": 0,
                "state": state,
            }
        ],
    }


def _same(live: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether nothing but times differs."""

    def essence(status: dict[str, Any]) -> Any:
        state = (status.get("containerStatuses") or [{}])[0].get("state") or {}
        return status.get("phase"), sorted(state), (state.get("waiting") or {}).get("reason")

    return bool(essence(live) == essence(wanted))
