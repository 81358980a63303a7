"""What the API counts. Served on the metrics port, never on the port that clients reach."""

from prometheus_client import Counter, Gauge, Histogram

# Route templates, not paths: a path holds ids, and each would become a series for ever.
REQUESTS = Counter("loppestars_http_requests_total", "Answered requests", ["route", "method", "status"])
LATENCY = Histogram(
    "loppestars_http_request_duration_seconds",
    "Time from a request's head to the end of its answer",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
IN_FLIGHT = Gauge("loppestars_http_requests_in_flight", "Requests being answered")
REFUSED_BY_LIMIT = Counter("loppestars_rate_limited_total", "Requests answered 429", ["limit"])
PHOTOS_WAITING = Gauge("loppestars_photo_requests_waiting", "Photo requests that wait for imaging")
PHOTO_WAIT = Histogram(
    "loppestars_photo_wait_seconds",
    "Time a photo request waited for imaging",
    ["outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60),
)
POOL_CONNECTIONS = Gauge("loppestars_database_pool_connections", "Connections of the pool", ["state"])
CRAWL_TRIGGERS = Counter("loppestars_crawl_triggers_total", "Crawls asked for by hand", ["result"])

UNMATCHED = "unmatched"
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMeter:
    """Counts requests; keeps the label children, because finding them costs more than counting."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        method = method if method in _KNOWN_METHODS else "other"
        counter = self._counters.get((route, method, status))
        if counter is None:
            counter = self._counters[route, method, status] = REQUESTS.labels(route, method, str(status))
        counter.inc()
        timer = self._timers.get((route, method))
        if timer is None:
            timer = self._timers[route, method] = LATENCY.labels(route, method)
        timer.observe(seconds)
