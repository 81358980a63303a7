"""A stack as a tree: what it is, then its conditions with their reasons, then its parts. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

Object = dict[str, Any]

# False is the good answer to these.
_GOOD_WHEN_FALSE: Final = frozenset({"Reconciling", "Stalled", "Hibernated"})
# What is False or Unknown by choice of the spec.
_OPTIONAL: Final = frozenset({"DatabaseRoles", "Recoverable", "Routed"})
_STYLES: Final = {
    **dict.fromkeys(("Ready", "Serving", "Succeeded", "True"), "green"),
    **dict.fromkeys(("Stalled", "RolledBack", "Failed", "Degraded"), "bold red"),
    **dict.fromkeys(("Paused", "Hibernated", "Hibernating", "Cancelled", "Superseded", "Replaced"), "cyan"),
}
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
MAX_ROWS: Final = 5


def tree_of(stack: Object, crawls: Sequence[Object], pods: Sequence[Object], now: datetime) -> Tree:
    """Return the tree of one stack with its crawls and pods."""
    meta, status = stack["metadata"], stack.get("status") or {}
    phase = status.get("phase", "not looked at yet")
    head = Text.assemble(
        (f"{meta['namespace']}/{meta['name']}", "bold"),
        "  ",
        _styled(phase),
        f"  version {status.get('version') or '-'}",
    )
    if url := status.get("url"):
        head.append(f"  {url}", "blue")
    tree = Tree(head, guide_style="dim")
    if status.get("observedGeneration") != meta.get("generation"):
        tree.add(Text("the operator has not looked at the latest change yet", "yellow"))
    conditions = tree.add(Text("conditions", "bold"))
    for condition in status.get("conditions") or ():
        conditions.add(line_of(condition, now))
    add_components(tree, status, pods)
    add_rollout(tree, stack, now)
    add_recovery(tree, status, now)
    add_crawls(tree, stack, crawls, now)
    return tree


def age(moment: str | None, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit."""
    if not moment:
        return "-"
    seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    return next((f"{seconds // size}{unit}" for size, unit in _UNITS if seconds >= size), "now")


def line_of(condition: Object, now: datetime) -> Text:
    """Return a condition as a line, with a mark of whether it is good."""
    kind, status = condition["type"], condition["status"]
    good = status == ("False" if kind in _GOOD_WHEN_FALSE else "True")
    if kind == "Hibernated":
        good = True
    mild = not good and (kind in _OPTIONAL or kind == "Reconciling" or status == "Unknown")
    mark, style = ("✔", "green") if good else ("•", "yellow") if mild else ("✘", "bold red")
    reason = "" if condition.get("reason") == kind else condition.get("reason", "")
    line = Text.assemble((f"{mark} ", style), (f"{kind}={status}", style), f"  {reason}")
    line.append(f"  {age(condition.get('lastTransitionTime'), now)}", "dim")
    if message := condition.get("message"):
        line.append(f"\n  {message}", "" if not good else "dim")
    return line


def add_components(tree: Tree, status: Object, pods: Sequence[Object]) -> None:
    """Add the components, and those of their pods that are not well."""
    branch = tree.add(Text("components", "bold"))
    for part in status.get("components") or ():
        full = part["ready"] >= part["desired"] and part["updated"] >= part["desired"]
        numbers = (f"{part['ready']}/{part['desired']} ready", "green" if full else "yellow")
        twig = branch.add(Text.assemble((part["name"], "bold"), "  ", numbers, (f"  {part['image']}", "dim")))
        for pod in pods:
            mine = pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == part["name"]
            if mine and (trouble := trouble_of(pod)):
                twig.add(Text.assemble((pod["metadata"]["name"], "yellow"), f"  {trouble}"))


def trouble_of(pod: Object) -> str:
    """Return why a pod is not well; empty where it is."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            return f"{waiting.get('reason', '')}: {waiting.get('message', '')}".strip(": ")
        if container.get("restartCount"):
            return f"restarted {container['restartCount']} times"
    unscheduled: Object = next(
        (found for found in status.get("conditions") or () if found["type"] == "PodScheduled"), {}
    )
    return unscheduled.get("message", "") if unscheduled.get("status") == "False" else ""


def add_rollout(tree: Tree, stack: Object, now: datetime) -> None:
    """Add what is wanted, what serves, and what was tried."""
    status = stack.get("status") or {}
    branch = tree.add(Text("rollout", "bold"))
    wanted, serving = stack["spec"].get("version"), status.get("version")
    branch.add(Text(f"wanted {wanted}, serving {serving or 'nothing yet'}", "" if wanted == serving else "yellow"))
    if canary := (status.get("rollout") or {}).get("canary"):
        branch.add(Text.assemble("canary ", _styled(canary["step"]), f"  {canary['message']}"))
    for entry in (status.get("history") or ())[:MAX_ROWS]:
        branch.add(
            Text.assemble(
                f"{entry['version']}  ", _styled(entry["result"]), (f"  {age(entry['servedFrom'], now)}", "dim")
            )
        )


def add_recovery(tree: Tree, status: Object, now: datetime) -> None:
    """Add the last backup and drill."""
    known = {name: status[name] for name in ("backup", "drill") if status.get(name)}
    if not known:
        return
    branch = tree.add(Text("recovery", "bold"))
    for name, end in known.items():
        line = Text.assemble(
            f"{name} ", _styled("Succeeded" if end["succeeded"] else "Failed"), f"  {end.get('backup', '')}"
        )
        line.append(f"  {age(end.get('finishedAt'), now)}", "dim")
        if end.get("message"):
            line.append(f"\n  {end['message']}")
        branch.add(line)


def add_crawls(tree: Tree, stack: Object, crawls: Sequence[Object], now: datetime) -> None:
    """Add the newest crawls."""
    mine = [crawl for crawl in crawls if crawl["spec"]["stackRef"]["name"] == stack["metadata"]["name"]]
    branch = tree.add(Text("crawls", "bold"))
    newest = sorted(mine, key=lambda crawl: crawl["metadata"]["creationTimestamp"], reverse=True)
    for crawl in newest[:MAX_ROWS]:
        status = crawl.get("status") or {}
        counts = status.get("counts") or {}
        told = f"  {counts.get('seen', 0)} seen, {counts.get('new', 0)} new" if counts else ""
        line = Text.assemble(f"{crawl['metadata']['name']}  ", _styled(status.get("state", "Pending")), told)
        line.append(f"  {age(crawl['metadata']['creationTimestamp'], now)}", "dim")
        if status.get("message"):
            line.append(f"\n  {status['message']}")
        branch.add(line)
    if not newest:
        branch.add(Text("none yet", "dim"))


def _styled(word: str) -> tuple[str, str]:
    return word, _STYLES.get(word, "yellow")


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
