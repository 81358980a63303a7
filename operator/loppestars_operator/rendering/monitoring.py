"""Objects of prometheus-operator: how the stack is scraped, and the alerts on it. Dashboards ship with the chart."""

from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import STACK_LABEL, stack_labels
from loppestars_operator.rendering.alerts import RecoveryTimes, alert_groups
from loppestars_operator.rendering.context import RenderContext
from loppestars_operator.rendering.schedules import overdue_hours

MONITORING_GROUP: Final = "monitoring.coreos.com"


def render_monitoring(context: RenderContext) -> list[Manifest]:
    """Return the PodMonitor and the PrometheusRule, where they are wanted and can be."""
    mode = context.spec.monitoring.mode
    if mode == "Disabled" or (mode == "Auto" and MONITORING_GROUP not in context.facts.groups):
        return []
    # Nothing of a stack that sleeps on purpose is worth an alert.
    return [_pod_monitor(context), *([] if context.spec.hibernated else [_rule(context)])]


def _pod_monitor(context: RenderContext) -> Manifest:
    return {
        "apiVersion": f"{MONITORING_GROUP}/v1",
        "kind": "PodMonitor",
        "metadata": _metadata(context),
        "spec": {
            "selector": {"matchLabels": {STACK_LABEL: context.name}},
            "podMetricsEndpoints": [
                {
                    "port": "metrics",
                    "interval": context.spec.monitoring.interval,
                    "relabelings": [
                        _relabel("__meta_kubernetes_pod_label_loppestars_dev_stack", "stack"),
                        _relabel("__meta_kubernetes_pod_label_app_kubernetes_io_component", "component"),
                    ],
                }
            ],
        },
    }


def _rule(context: RenderContext) -> Manifest:
    key = context.stack.key
    budget = context.spec.monitoring.storage_budget
    # A schedule that is suspended on purpose is no reason to wake anybody.
    crawler = context.spec.crawler
    overdue = None if crawler.suspend else overdue_hours(crawler.schedule)
    recovery = None
    if backup := context.spec.backup:
        times = [backup.schedule, backup.drill.schedule if backup.drill else None]
        hours = [overdue_hours(at) if at and not backup.suspend else None for at in times]
        recovery = RecoveryTimes(*hours)
    return {
        "apiVersion": f"{MONITORING_GROUP}/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata(context),
        "spec": {
            "groups": alert_groups(
                key.namespace, key.name, storage_budget=budget, crawl_overdue_hours=overdue, recovery=recovery
            )
        },
    }


def _metadata(context: RenderContext) -> Manifest:
    metadata = context.metadata(context.name)
    # The operator's own labels win: pruning and watching go by them.
    labels = {**(context.spec.monitoring.labels or {}), **stack_labels(context.name)}
    return {**metadata, "labels": labels}


def _relabel(source: str, target: str) -> dict[str, object]:
    return {"action": "replace", "sourceLabels": [source], "targetLabel": target}
