"""Whether clients get in, and whether pods can be scaled, as the controllers of routes and autoscalers report it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loppestars_operator.kinds import Manifest, component_of, condition_of
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.rendering.context import gateway_parents, ingress_enabled
from loppestars_operator.spec import StackSpec

SHARED: Final = "limits take all visitors for one until api.trustedProxies names the networks of whoever routes"
# Conditions of a route's parent that say "no" by being False.
_ROUTE_CONDITIONS: Final = ("Accepted", "ResolvedRefs")
_SCALER_CONDITIONS: Final = {
    "HorizontalPodAutoscaler": ("AbleToScale", "ScalingActive"),
    "ScaledObject": ("Ready",),
}
# What an autoscaler says of itself until its first measurement, and at a fixed number.
_ORDINARY: Final = frozenset({"ScalingDisabled", "BackoffBoth", "BackoffDownscale", "BackoffUpscale"})


@dataclass(frozen=True, slots=True)
class Routing:
    """State of the way in: `routed` is None while no controller has said anything.

    `refused` says that no client gets in; a host that another stack has too may still be meant so.
    """

    routed: bool | None
    reason: str
    message: str
    refused: bool = False


def hosts_of(spec: StackSpec) -> set[str]:
    """Return the host names that a stack's routes ask for."""
    hosts = set(spec.gateway.hostnames or ()) if spec.gateway and gateway_parents(spec) else set()
    if spec.ingress and spec.ingress.host and (ingress_enabled(spec) or (gateway_parents(spec) and not hosts)):
        hosts.add(spec.ingress.host)
    return hosts


def judge_routing(spec: StackSpec, snapshot: Snapshot, taken: str | None) -> Routing | None:
    """Return the state of the routes, or None where the spec asks for none; `taken` names who else has the host."""
    if not hosts_of(spec):
        return None
    if taken:
        return Routing(routed=False, reason="HostTaken", message=f"{taken}; give one of them another host")
    refusals = [refusal for route in snapshot.bodies["HTTPRoute"] for refusal in _refusals(route)]
    if refusals:
        return refusals[0]
    routes, ingresses = snapshot.bodies["HTTPRoute"], snapshot.bodies["Ingress"]
    if any(_parents(route) for route in routes) or any(_addresses(ingress) for ingress in ingresses):
        hosts = ", ".join(sorted(hosts_of(spec)))
        return Routing(
            routed=True, reason="Routed", message=hosts if spec.api.trusted_proxies else f"{hosts}; {SHARED}"
        )
    message = "no controller has taken up the route yet; some never say so"
    return Routing(routed=None, reason="Pending", message=message)


def scaling_notes(snapshot: Snapshot) -> dict[str, str]:
    """Return by component why its autoscaler cannot work."""
    notes = {}
    for kind, names in _SCALER_CONDITIONS.items():
        for scaler in snapshot.bodies[kind]:
            for condition in (condition_of(scaler, name) for name in names):
                component = component_of(scaler)
                if component and condition.get("status") == "False" and condition.get("reason") not in _ORDINARY:
                    words = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
                    notes[component] = f"{kind} cannot scale, {words}"
    return notes


def job_notes(snapshot: Snapshot, component: str) -> str:
    """Return why the Jobs of a component have no pods; empty where they have."""
    refused = [
        snapshot.refusals[job["metadata"]["uid"]]
        for job in snapshot.jobs
        if component_of(job) == component and job["metadata"]["uid"] in snapshot.refusals
    ]
    return f"{component}: {refused[0]}" if refused else ""


def _refusals(route: Manifest) -> Iterable[Routing]:
    for parent in _parents(route):
        gateway = (parent.get("parentRef") or {}).get("name", "?")
        for condition in parent.get("conditions") or ():
            if condition["type"] in _ROUTE_CONDITIONS and condition["status"] == "False":
                message = f"Gateway {gateway} does not take HTTPRoute {route['metadata']['name']}: " + condition.get(
                    "message", ""
                )
                reason = condition.get("reason") or "NotAccepted"
                yield Routing(routed=False, reason=reason, message=message, refused=True)


def _parents(route: Manifest) -> Sequence[Any]:
    return (route.get("status") or {}).get("parents") or ()


def _addresses(ingress: Manifest) -> Sequence[Any]:
    return ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
