"""The health checks of k8s/gitops, run as Argo CD runs them: in Lua."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.factories.required import leave_out

FILE = Path(__file__).parents[2] / "k8s" / "gitops" / "argocd-cm.yaml"


def health(kind: str, body: dict[str, Any]) -> str:
    try:
        from lupa import LuaRuntime  # noqa: PLC0415 - not everywhere
    except ImportError:
        leave_out("needs lupa, an interpreter of Lua (pip install lupa)")
    lua = LuaRuntime(unpack_returned_tuples=True)
    script = yaml.safe_load(FILE.read_text(encoding="utf-8"))["data"][
        f"resource.customizations.health.loppestars.dev_{kind}"
    ]
    judge = lua.execute(f"return function(obj)\n{script}\nend")
    found: str = judge(lua.table_from(body, recursive=True))["status"]
    return found


def stack(generation: int = 2, **conditions: tuple[str, str]) -> dict[str, Any]:
    found = [{"type": kind, "status": status, "reason": reason} for kind, (status, reason) in conditions.items()]
    return {"metadata": {"generation": 2}, "status": {"observedGeneration": generation, "conditions": found}}


class TestHealth:
    """Every state of a stack and of a crawl."""

    @pytest.mark.parametrize(
        ("body", "wanted"),
        [
            ({"metadata": {"generation": 1}}, "Progressing"),
            (stack(generation=-1), "Progressing"),
            (stack(generation=1, Ready=("True", "Ready")), "Progressing"),
            (stack(Ready=("True", "Ready"), Stalled=("False", "Ready")), "Healthy"),
            (stack(Ready=("False", "Migrating"), Stalled=("False", "Progressing")), "Progressing"),
            (stack(Ready=("False", "RolledBack"), Stalled=("True", "RolledBack")), "Degraded"),
            (stack(Ready=("True", "Hibernated"), Hibernated=("True", "Hibernated")), "Suspended"),
            (stack(Ready=("True", "Ready"), Reconciling=("False", "Paused")), "Suspended"),
        ],
    )
    def test_stack(self, body: dict[str, Any], wanted: str) -> None:
        """As the operator says."""
        assert health("LoppestarsStack", body) == wanted

    @pytest.mark.parametrize(
        ("state", "wanted"),
        [(None, "Progressing"), ("Running", "Progressing"), ("Failed", "Degraded"), ("Succeeded", "Healthy")],
    )
    def test_crawl(self, state: str | None, wanted: str) -> None:
        """It is done, or it is not."""
        assert health("Crawl", {"status": {"state": state}} if state else {}) == wanted
