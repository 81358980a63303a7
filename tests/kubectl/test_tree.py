"""The tree of a stack: conditions first, reasons and messages in it, and nothing to show is no error."""

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from loppestars_kubectl.tree import age, tree_of

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-02T10:00:00Z",
    }


STACK: dict[str, Any] = {
    "metadata": {"name": "fair", "namespace": "shop", "generation": 3},
    "spec": {"version": "0.2.0"},
    "status": {
        "observedGeneration": 3,
        "phase": "RolledBack",
        "version": "0.1.0",
        "url": "https://fair.example.com",
        "conditions": [
            condition("Ready", "False", "RolledBack", "api did not become available"),
            condition("Reconciling", "False", "RolledBack"),
            condition("Stalled", "True", "RolledBack", "api did not become available"),
        ],
        "components": [
            {"name": "api", "image": "ghcr.io/loppestars/api:0.1.0", "desired": 2, "ready": 1, "updated": 2}
        ],
        "history": [{"version": "0.2.0", "result": "RolledBack", "servedFrom": "2026-01-02T11:00:00Z"}],
        "rollout": {"canary": {"step": "Failed", "message": "canary of version 0.2.0: pod x was restarted"}},
        "backup": {
            "succeeded": False,
            "backup": "b1",
            "finishedAt": "2026-01-02T03:00:00Z",
            "message": "bucket is away",
        },
    },
}
POD: dict[str, Any] = {
    "metadata": {"name": "fair-api-x", "labels": {"app.kubernetes.io/component": "api"}},
    "status": {
        "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]
    },
}
CRAWL: dict[str, Any] = {
    "metadata": {"name": "fair-1", "creationTimestamp": "2026-01-02T02:00:00Z"},
    "spec": {"stackRef": {"name": "fair"}},
    "status": {"state": "Succeeded", "counts": {"seen": 12, "new": 3}},
}


def shown(*arguments: Any) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(tree_of(*arguments, NOW))
    return console.export_text()


class TestTreeOf:
    def test_conditions_first(self) -> None:
        """Then the parts, each with its reason."""
        text = shown(STACK, [CRAWL], [POD])
        order = ["shop/fair", "conditions", "Ready=False", "components", "rollout", "recovery", "crawls"]
        assert [text.index(word) for word in order] == sorted(text.index(word) for word in order)
        for word in ("ImagePullBackOff: no such image", "1/2 ready", "wanted 0.2.0, serving 0.1.0", "bucket is away"):
            assert word in text
        assert "✘ Stalled=True" in text
        assert "✔ Reconciling=False" in text
        assert "12 seen, 3 new" in text

    def test_unseen(self) -> None:
        """A stack that no operator looked at yet."""
        text = shown({"metadata": STACK["metadata"], "spec": STACK["spec"]}, [], [])
        assert "the operator has not looked at the latest change yet" in text
        assert "serving nothing yet" in text

    def test_other_stacks_crawls(self) -> None:
        """They are left out."""
        assert "fair-1" not in shown(STACK, [{**CRAWL, "spec": {"stackRef": {"name": "other"}}}], [])


class TestAge:
    def test_largest_unit(self) -> None:
        """Whole days, hours, minutes, seconds."""
        assert [age(f"2026-01-{moment}Z", NOW) for moment in ("01T11:00:00", "02T09:30:00", "02T11:59:30")] == [
            "1d",
            "2h",
            "30s",
        ]
        assert age(None, NOW) == "-"
