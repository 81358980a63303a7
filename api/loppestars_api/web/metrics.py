"""HTTP metrics. Served on the metrics port, never on the port that clients reach."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# Route templates, not paths: a path holds ids, and each would become a series that never goes away.
REQUESTS: Final = Counter("loppestars_http_requests_total", "Answered requests", ["route", "method", "status"])
LATENCY: Final = Histogram(
    "loppestars_http_request_duration_seconds",
    "Time from a request's head to the end of its answer",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
IN_FLIGHT: Final = Gauge("loppestars_http_requests_in_flight", "Requests being answered")

UNMATCHED: Final = "unmatched"
_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMeter:
    """Counts requests; keeps the label children, because finding them costs more than counting."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        method = method if method in _KNOWN_METHODS else "other"
        counter = self._counters.get((route, method, status))
        if counter is None:
            counter = self._counters[route, method, status] = REQUESTS.labels(route, method, str(status))
        counter.inc()
        timer = self._timers.get((route, method))
        if timer is None:
            timer = self._timers[route, method] = LATENCY.labels(route, method)
        timer.observe(seconds)
