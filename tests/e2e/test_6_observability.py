"""A real Prometheus scrapes a real stack: every dashboard has data, and the stack's own alert rules load."""

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.stack import SAMPLE_SITES, Stack
from tools.cluster import debian, network
from tools.cluster.paths import REPOSITORY
from tools.cluster.processes import Daemon, wait_until

pytestmark = pytest.mark.e2e

DASHBOARDS = sorted((REPOSITORY / "charts/loppestars-operator/files/dashboards").glob("*.json"))
# The stack of these tests makes no backups, sends no message and holds nothing that is old; a crawl's own metrics are
# there for as long as its pod, whose address is not known beforehand.
WITHOUT_DATA = frozenset(
    {
        "Since the last successful backup",
        "Recoverable",
        "Last drill: time to restore, work lost",
        "Size of the last backup",
        "Messages by channel and result",
        "Rows deleted at the end of their time",
        "Fields that markets say, by source",
        "Answers of sites by status",
        "Places by how they were found",
    }
)
VARIABLES = {"$namespace": ".*", "$stack": ".*", "$__rate_interval": "30s"}
PORT = 19090
# Two pods of the API, one of imaging, one of jobs, two of the operator.
TARGETS = 6


def scrape_configuration(stack: Stack, operator: Cluster, directory: Path) -> dict[str, Any]:
    """What prometheus-operator makes of the stack's PodMonitor and the operator's monitor, for pods as they are."""
    targets = []
    for component in ("api", "imaging", "jobs"):
        for pod in stack.pods(component):
            labels = {"namespace": stack.cluster.namespace, "stack": stack.name, "component": component}
            labels["pod"] = pod["metadata"]["name"]
            targets.append({"targets": [f"{pod['status']['podIP']}:9090"], "labels": labels})
    for pod in operator.list("pods", "app.kubernetes.io/name=loppestars-operator"):
        labels = {"pod": pod["metadata"]["name"], "component": "operator"}
        targets.append({"targets": [f"{pod['status']['podIP']}:9090"], "labels": labels})
    rule = stack.cluster.get("prometheusrules.monitoring.coreos.com", stack.name)
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": rule["spec"]["groups"]}))
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(directory / "rules.yaml")],
        # A stack's own labels win over those that its exporter gives, as the operator's monitors ask for.
        "scrape_configs": [{"job_name": "loppestars", "honor_labels": True, "static_configs": targets}],
    }


@pytest.fixture
def prometheus(stack: Stack, operator: Cluster, node: object, tmp_path: Path) -> Iterator[str]:
    """Debian's Prometheus inside the node's network, where it reaches pods; the base URL of its API."""
    debian.ensure(debian.PROMETHEUS_PROGRAMS, print)
    stack.wait_ready()
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(scrape_configuration(stack, operator, tmp_path)))
    server = Daemon("prometheus", tmp_path)
    program = shutil.which("prometheus")
    assert program is not None
    server.start(
        [program, f"--config.file={tmp_path / 'prometheus.yaml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
         f"--web.listen-address={network.NODE_ADDRESS}:{PORT}"],
        namespace=network.NAMESPACE,
    )  # fmt: skip
    url = f"http://{network.NODE_ADDRESS}:{PORT}"
    try:
        wait_until(lambda: _ready(url), "Prometheus", timeout=30)
        yield url
    finally:
        server.stop()


def ask(url: str, path: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return json.loads(answer.read())["data"]


def _up(url: str) -> int:
    targets = ask(url, "targets")["activeTargets"]
    return len([target for target in targets if target["health"] == "up"])


def _evaluated(url: str) -> bool:
    rules = [rule for group in ask(url, "rules")["groups"] for rule in group["rules"]]
    return bool(rules) and all(rule["health"] != "unknown" for rule in rules)


def _ready(url: str) -> bool:
    try:
        return bool(ask(url, "status/runtimeinfo"))
    except OSError:
        return False


class TestObservability:
    """A real Prometheus scrapes a real stack: every dashboard has data, and the stack's own alert rules load."""

    def test_every_dashboard_query_returns_data(self, stack: Stack, prometheus: str) -> None:
        """After a crawl and under a little traffic, each query of each dashboard has at least one series."""
        stack.change(crawler={"pod": {"env": SAMPLE_SITES}})
        stack.wait_ready()
        assert stack.crawl()["state"] == "Succeeded"
        for _ in range(40):
            stack.ingress.get("/markets/today")
            stack.ingress.get("/health")
            time.sleep(0.5)
        empty = []
        for path in DASHBOARDS:
            for panel in json.loads(path.read_text())["panels"]:
                for target in panel["targets"]:
                    query = target["expr"]
                    for name, value in VARIABLES.items():
                        query = query.replace(name, value)
                    if panel["title"] not in WITHOUT_DATA and not ask(prometheus, "query", query=query)["result"]:
                        empty.append(f"{path.stem}: {panel['title']}: {query}")
        assert empty == []

    def test_targets_are_up_and_rules_healthy(self, prometheus: str) -> None:
        """Every pod answers on its metrics port, the rules evaluate, and a healthy stack raises no urgent alert."""
        wait_until(lambda: _up(prometheus) >= TARGETS, "every target", timeout=30)
        wait_until(lambda: _evaluated(prometheus), "rules", timeout=20)
        rules = [rule for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]]
        assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
        firing = [
            rule["name"] for rule in rules if rule["state"] == "firing" and rule["labels"]["severity"] == "critical"
        ]
        assert firing == []
