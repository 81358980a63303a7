"""promtool, Prometheus' own judge of rules and queries."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.factories.required import leave_out


def run_promtool(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool in `directory`; the test is left out where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        leave_out("needs promtool: install Debian's package prometheus")
    return subprocess.run([program, *arguments], cwd=directory, capture_output=True, text=True, timeout=60, check=False)


def check_rules(directory: Path, groups: list[dict[str, Any]]) -> str:
    """What promtool says against these rule groups; empty when nothing. JSON is YAML."""
    (directory / "rules.yaml").write_text(json.dumps({"groups": groups}))
    done = run_promtool(directory, "check", "rules", "rules.yaml")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def alerts_after(
    directory: Path, groups: list[dict[str, Any]], series: dict[str, str], alert: str, minutes: int
) -> list[dict[str, str]]:
    """Labels of the `alert`s that fire `minutes` after the start of `series`, given at one sample in 30 s."""
    (directory / "rules.yaml").write_text(json.dumps({"groups": groups}))
    # promtool compares with what is expected; expecting an impossible alert makes it print what it got.
    test = {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{minutes}m", "alertname": alert, "exp_alerts": []}],
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "30s", "tests": [test]}
    (directory / "test.yaml").write_text(json.dumps(document))
    done = run_promtool(directory, "test", "rules", "test.yaml")
    if done.returncode == 0:
        return []
    said = done.stdout + done.stderr
    assert "got:[" in said.replace("\n", "").replace(" ", ""), said
    return [{"alertname": alert, "said": said}]
