"""What a canary's pod answered: its own metrics, read over HTTP."""

from collections.abc import Iterable
from typing import Final, Protocol

import aiohttp
import structlog
from prometheus_client.parser import text_string_to_metric_families

from loppestars_operator.kinds import Manifest
from loppestars_operator.plan.canary import Counts
from loppestars_operator.rendering.context import METRICS_PORT

log = structlog.get_logger(__name__)

_SECONDS: Final = 2.0
REQUESTS: Final = "loppestars_http_requests_total"
# Asked by the kubelet and by monitors; they say nothing of what clients get.
_PROBES: Final = frozenset({"/health", "/ready", "/serving"})


class Reader(Protocol):
    """Whoever can read what pods answered."""

    async def read(self, pods: Iterable[Manifest]) -> dict[str, Counts | None]:
        """Return by a pod's name what it answered; None where it could not be read."""
        ...


class MetricsReader:
    """Reads `/metrics` of pods by their addresses."""

    async def read(self, pods: Iterable[Manifest]) -> dict[str, Counts | None]:
        """Return by a pod's name what it answered; None where it could not be read."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            return {pod["metadata"]["name"]: await _counts(session, pod) for pod in pods}


async def _counts(session: aiohttp.ClientSession, pod: Manifest) -> Counts | None:
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        return None
    host = f"[{address}]" if ":" in address else address
    try:
        async with session.get(f"http://{host}:{METRICS_PORT}/metrics", allow_redirects=False) as answer:
            answer.raise_for_status()
            return counts_in(await answer.text())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        log.info("canary_not_read", pod=pod["metadata"]["name"], error=type(error).__name__)
        return None


def counts_in(text: str) -> Counts:
    """Return the counts in the metrics of an API pod.

    Raises:
        ValueError: not the text format of Prometheus.
    """
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == REQUESTS and sample.labels.get("route") not in _PROBES
    ]
    errors = sum(sample.value for sample in samples if sample.labels.get("status", "").startswith("5"))
    return Counts(int(sum(sample.value for sample in samples)), int(errors))
