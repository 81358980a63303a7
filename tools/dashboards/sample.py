"""A made-up market day of one stack, as OpenMetrics text: morning calm, a rush of photos, a rollout, a crawl.

https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

END: Final = int(datetime(2026, 6, 7, 12, 0, tzinfo=UTC).timestamp())
HOURS: Final = 3
STEP_SECONDS: Final = 60
# Before the first picture's left edge, so that rates and sums have something to look back on.
_BEFORE_SECONDS: Final = 900
_ALWAYS: Final = (-1.0, HOURS + 1.0)
_ROLLOUT: Final = (0.6, 0.66)
_CRAWL: Final = 2.0
# Share of the requests and median seconds by route.
_ROUTES: Final = {
    "/markets/nearby": (0.46, 0.012),
    "/markets/search": (0.2, 0.021),
    "/markets/today": (0.16, 0.009),
    "/health": (0.18, 0.002),
}
_STATUSES: Final = {"200": 0.93, "304": 0.05, "429": 0.015, "503": 0.0004}
_BOUNDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SPREAD: Final = 0.8
_STACK: Final = {"namespace": "fair", "stack": "fair"}
_OWNED: Final = {"stack_namespace": "fair", "stack": "fair"}
_API: Final = {**_STACK, "component": "api"}
_IMAGING: Final = {**_STACK, "component": "imaging"}
_API_PODS: Final = ("fair-api-6d5f-k2x8p", "fair-api-6d5f-zq4tn")
# With the hours during which the autoscaler runs them.
_IMAGING_PODS: Final = {
    "fair-imaging-84b7-2mfdr": _ALWAYS,
    "fair-imaging-84b7-p9vwc": (1.25, 2.45),
    "fair-imaging-84b7-xt6lh": (1.4, 2.2),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A value, or a rate, at an hour: `base + slope * rush(hour)`, never below 0; `outside` of `hours` another."""

    base: float
    slope: float = 0.0
    hours: tuple[float, float] = _ALWAYS
    outside: float = 0.0

    def at(self, hour: float) -> float:
        """Return the value at an hour from 0 to `HOURS`."""
        if not self.hours[0] <= hour < self.hours[1]:
            return self.outside
        return max(0.0, self.base + self.slope * (0.25 + 0.75 * math.exp(-(((hour - 1.65) / 0.5) ** 2))))


@dataclass(frozen=True, slots=True)
class Series:
    """A metric with its labels. A counter's shape is its rate; a clock's goes on with time; buckets have a `median`."""

    name: str
    labels: dict[str, str]
    shape: Shape
    counter: bool = False
    whole: bool = False
    median: Shape | None = None
    clock: bool = False

    def samples(self) -> Iterator[str]:
        """Yield its lines."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        # Buckets of one histogram rise together.
        group = f"{self.name} {self.labels | {'le': ''}}"
        total = 0.0
        for time in range(END - HOURS * 3600 - _BEFORE_SECONDS, END + 1, STEP_SECONDS):
            hour = HOURS - (END - time) / 3600
            value = self.shape.at(hour)
            if self.median is not None and (bound := float(self.labels["le"])) < math.inf:
                value *= 0.5 * (1 + math.erf(math.log(bound / self.median.at(hour)) / (_SPREAD * math.sqrt(2))))
            if self.counter:
                total += value * STEP_SECONDS * random.Random(f"{group} {time}").uniform(0.85, 1.15)  # noqa: S311 - a picture
                value = total
            if self.clock:
                value += time - (END - HOURS * 3600 - _BEFORE_SECONDS) - time % 90
            if not math.isnan(value):
                yield f"{self.name}{{{labels}}} {round(value) if self.whole else value:.10g} {time}"


def open_metrics() -> str:
    """Return all samples, those of a metric together."""
    families: dict[str, list[str]] = {}
    for part in (_requests(), _photos(), _pods(), _operator(), _crawls()):
        for series in part:
            families.setdefault(series.name, []).extend(series.samples())
    return "\n".join(line for lines in families.values() for line in lines) + "\n# EOF\n"


def _histogram(name: str, labels: dict[str, str], rate: Shape, median: Shape) -> Iterator[Series]:
    """Yield the buckets of durations that are spread log-normally around a median."""
    for bound in (*_BOUNDS, math.inf):
        le = {"le": "+Inf" if bound == math.inf else f"{bound:g}"}
        yield Series(f"{name}_bucket", {**labels, **le}, rate, counter=True, median=median)


def _requests() -> Iterator[Series]:
    for route, (share, median) in _ROUTES.items():
        labels = {**_API, "route": route, "method": "GET"}
        for status, part in _STATUSES.items():
            rate = Shape(0, 90 * share * part)
            yield Series("loppestars_http_requests_total", {**labels, "status": status}, rate, counter=True)
        yield from _histogram(
            "loppestars_http_request_duration_seconds", labels, Shape(0, 90 * share), Shape(median, 2 * median)
        )
    for limit, slope in (("photos", 0.25), ("search", 0.9)):
        yield Series(
            "loppestars_rate_limited_total", {**_STACK, "limit": limit}, Shape(-0.6 * slope, slope), counter=True
        )
    yield Series("loppestars_photo_requests_waiting", _API, Shape(0, 4), whole=True)
    for dependency in ("database", "queue", "storage"):
        yield Series("loppestars_dependency_up", {**_API, "dependency": dependency}, Shape(1))


def _photos() -> Iterator[Series]:
    for result, rate in (("completed", Shape(0, 1)), ("no_faces", Shape(0, 0.6)), ("failed", Shape(-0.006, 0.01))):
        yield Series("loppestars_photos_total", {**_IMAGING, "result": result}, rate, counter=True)
    yield Series("loppestars_faces_total", _IMAGING, Shape(0, 3.1), counter=True)
    for state, jobs in (("todo", Shape(-24, 34)), ("doing", Shape(0, 3)), ("failed", Shape(0))):
        yield Series("loppestars_queue_jobs", {**_IMAGING, "state": state}, jobs, whole=True)
    yield Series("loppestars_queue_oldest_job_seconds", _IMAGING, Shape(-8, 11))
    yield Series("loppestars_queue_workers", _IMAGING, Shape(1, 2), whole=True)
    recovered = Shape(0.02, hours=(1.1, 1.15))
    yield Series("loppestars_queue_recovered_jobs_total", _IMAGING, recovered, counter=True)
    yield Series(
        "loppestars_imaging_engines_ended_total", {**_IMAGING, "reason": "idle"}, Shape(0, 0.001), counter=True
    )
    yield Series("loppestars_stored_bytes", _STACK, Shape(4.1e9, 5e8))
    yield from _histogram("loppestars_photo_queued_seconds", _IMAGING, Shape(0, 1.6), Shape(0.01, 1.2))
    yield from _histogram("loppestars_photo_duration_seconds", _IMAGING, Shape(0, 1.6), Shape(0.32, 0.1))


def _pods() -> Iterator[Series]:
    for pod in _API_PODS:
        yield from _pod("api", pod, Shape(0, 0.35), Shape(1.5e8, 1.5e7))
        yield Series("loppestars_http_requests_in_flight", {**_STACK, "pod": pod}, Shape(0, 5), whole=True)
        for state, connections in (("idle", Shape(8, -6)), ("used", Shape(0, 4))):
            labels = {**_API, "pod": pod, "state": state}
            yield Series("loppestars_database_pool_connections", labels, connections, whole=True)
    for pod, hours in _IMAGING_PODS.items():
        yield from _pod("imaging", pod, Shape(0, 0.9, hours), Shape(3.1e8, 4e7, hours, math.nan))
        pixels = Shape(0, 6.5e6, hours)
        yield Series("loppestars_photo_pixels_total", {**_IMAGING, "pod": pod}, pixels, counter=True)
    yield from _pod("jobs", "fair-jobs-77c9-h5j2b", Shape(0.02), Shape(1.2e8))
    for task in ("retention", "notify", "webhooks"):
        labels = {**_STACK, "component": "jobs", "task": task, "result": "done"}
        yield Series("loppestars_jobs_total", labels, Shape(0.01, 0.02), counter=True)
        labels = {**_STACK, "component": "jobs", "task": task}
        yield Series("loppestars_jobs_last_success_timestamp_seconds", labels, Shape(END - 11_700), clock=True)
    for channel, result, rate in (("push", "sent", 0.05), ("mail", "sent", 0.02), ("push", "failed", 0.001)):
        labels = {**_STACK, "component": "jobs", "channel": channel, "result": result}
        yield Series("loppestars_notifications_total", labels, Shape(0, rate), counter=True)
    for table, rate in (("photos", 0.004), ("sessions", 0.02)):
        labels = {**_STACK, "component": "jobs", "table": table}
        yield Series("loppestars_expired_rows_total", labels, Shape(rate), counter=True)


def _pod(component: str, pod: str, cpu: Shape, memory: Shape) -> Iterator[Series]:
    labels = {**_STACK, "component": component, "pod": pod}
    yield Series("process_cpu_seconds_total", labels, cpu, counter=True)
    yield Series("process_resident_memory_bytes", labels, memory)
    since, until = memory.hours
    for version, hours in (("0.1.0", (since, min(until, _ROLLOUT[0]))), ("0.1.1", (max(since, _ROLLOUT[0]), until))):
        yield Series("loppestars_build_info", {**labels, "version": version}, Shape(1, hours=hours, outside=math.nan))


def _operator() -> Iterator[Series]:
    yield Series("loppestars_operator_leader", {"pod": "loppestars-operator-0"}, Shape(1))
    yield Series("loppestars_operator_stack_ready", _OWNED, Shape(0, hours=_ROLLOUT, outside=1))
    yield Series("loppestars_operator_stack_ready", {"stack_namespace": "harbour", "stack": "harbour"}, Shape(1))
    yield Series("loppestars_operator_queue_depth", {}, Shape(0))
    for result, share in (("unchanged", 0.7), ("changed", 0.28), ("failed", 0)):
        passes = Shape(0.6 * share, hours=_ROLLOUT, outside=0.02 * share)
        yield Series("loppestars_operator_reconciles_total", {"result": result}, passes, counter=True)
    for kind in ("Deployment", "Job", "LoppestarsStack"):
        writes = Shape(0.06, hours=_ROLLOUT)
        yield Series("loppestars_operator_writes_total", {"kind": kind, "result": "configured"}, writes, counter=True)
        yield Series(
            "loppestars_operator_watch_last_seen_timestamp_seconds", {"kind": kind}, Shape(END - 11_700), clock=True
        )
    passes = Shape(0.6, hours=_ROLLOUT, outside=0.02)
    yield from _histogram("loppestars_operator_reconcile_duration_seconds", {}, passes, Shape(0.06))


def _crawls() -> Iterator[Series]:
    crawled = Shape(END - 36_000, hours=(-1, _CRAWL), outside=END - 3_500)
    yield Series("loppestars_operator_crawl_last_success_timestamp_seconds", _OWNED, crawled)
    yield Series("loppestars_operator_backup_last_success_timestamp_seconds", _OWNED, Shape(END - 28_800))
    yield Series("loppestars_operator_backup_bytes", _OWNED, Shape(4.3e9))
    yield Series("loppestars_operator_stack_recoverable", _OWNED, Shape(1))
    yield Series("loppestars_operator_recovery_time_seconds", _OWNED, Shape(212))
    yield Series("loppestars_operator_recovery_point_seconds", _OWNED, Shape(3_540))
    counts = {"seen": (412, 427), "new": (9, 17), "changed": (21, 30), "vanished": (3, 2), "failed": (0, 0)}
    for count, (before, after) in counts.items():
        shape = Shape(before, hours=(-1, _CRAWL), outside=after)
        yield Series("loppestars_operator_last_crawl_items", {**_OWNED, "count": count}, shape)
    for state, rate in (("Succeeded", 1 / 120), ("Superseded", 0)):
        finished = Shape(rate, hours=(_CRAWL, _CRAWL + 1 / 30))
        yield Series("loppestars_operator_crawls_total", {**_OWNED, "state": state}, finished, counter=True)
    while_crawling = (_CRAWL, _CRAWL + 1 / 10)
    for source, field, share in (
        ("markedskalenderen", "postal_code", 0.94),
        ("markedskalenderen", "opening_hours", 0.81),
        ("loppemarkeder", "postal_code", 0.88),
    ):
        labels = {**_API, "source": source, "field": field}
        yield Series("loppestars_crawl_field_coverage", labels, Shape(share))
    for source, status, pages in (
        ("markedskalenderen", "200", 0.5),
        ("markedskalenderen", "304", 0.9),
        ("loppemarkeder", "200", 0.2),
        ("loppemarkeder", "503", 0.02),
    ):
        labels = {**_API, "source": source, "status": status}
        yield Series("loppestars_crawl_pages_total", labels, Shape(pages, hours=while_crawling), counter=True)
    for provider, result, places in (("datafordeleren", "found", 0.06), ("datafordeleren", "not_found", 0.01)):
        labels = {**_API, "provider": provider, "result": result}
        yield Series("loppestars_crawl_geocodes_total", labels, Shape(places, hours=while_crawling), counter=True)
