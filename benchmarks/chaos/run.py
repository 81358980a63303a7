"""One run: the platform, its faults, one hostile client, the honest ones, and the table at the end."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.chaos.faults import LISTS, PHOTOS, Faults, Platform
from benchmarks.chaos.honest import Honest
from benchmarks.chaos.verdict import GOAL_SECONDS, Latency, Verdict, judge, undisturbed
from loppestars_local.ports import answers

_SETTLE_SECONDS: Final = 180


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run saw."""

    seconds: float
    load: float
    small_disk: bool
    faults: Counter[str]
    hostile: dict[str, dict[str, int]]
    verdict: Verdict
    every: dict[str, Latency]
    calm: dict[str, Latency]

    @property
    def quick(self) -> bool:
        return all(self.calm[kind].p99 < goal for kind, goal in GOAL_SECONDS.items())

    @property
    def refused(self) -> int:
        """Honest calls that got no 200 although no fault was there."""
        return sum(latency.refused for latency in self.calm.values())

    def table(self) -> str:
        """Return everything as lines to read."""
        verdict = self.verdict
        lines = [
            f"{self.seconds:.0f} s of faults, {os.cpu_count()} cores, load {self.load:.1f} at the end",
            "faults          " + ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items())),
            *(["                disk full was left out: mounting needs root"] if not self.small_disk else []),
            f"photos          {verdict}",
            f"{'honest':<16}{'':<22}{'n':>7}{'p50':>9}{'p99':>9}{'longest':>9}{'not 200':>9}{'goal':>7}",
        ]
        for kind in (LISTS, PHOTOS):
            for when, latency, goal in (
                ("all", self.every[kind], ""),
                ("no fault of its own", self.calm[kind], f"{GOAL_SECONDS[kind]:.0f} s"),
            ):
                lines.append(
                    f"  {kind:<14}{when:<22}{latency.count:>7}{latency.p50:>8.2f}s{latency.p99:>8.2f}s"
                    f"{latency.longest:>8.2f}s{latency.refused:>9}{goal:>7}"
                )
        lines.append("hostile")
        for name, counts in self.hostile.items():
            lines.append(f"  {name:<18}" + ", ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
        return "\n".join(lines)


def run(seconds: float, seed: int) -> Outcome:
    """Make a platform in a temporary folder, and do to it what can be done in so many seconds."""
    with tempfile.TemporaryDirectory(prefix="loppestars-chaos-") as folder:
        platform = Platform(Path(folder))
        try:
            _fill(platform)
            return _run(platform, seconds, seed)
        finally:
            platform.close()


def _fill(platform: Platform) -> None:
    """Crawl the sample site, so that lists have something to show."""
    stack = platform.stack
    site = stack.start(stack.platform.sample_site())
    stack.wait_until(
        lambda: answers(f"http://127.0.0.1:{stack.addresses.sample_site}/robots.txt"), "the sample site", site
    )
    stack.run(stack.platform.crawl())
    site.stop()


def _run(platform: Platform, seconds: float, seed: int) -> Outcome:
    faults = Faults(platform, seed)
    honest = Honest(platform.ports, platform.stack.storage)
    command = [sys.executable, "-m", "benchmarks.chaos.hostile", str(seconds), *map(str, platform.ports)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as hostile:
        try:
            honest.start()
            faults.run(seconds)
        finally:
            lasted, load = time.monotonic() - began, os.getloadavg()[0]
            honest.stop(_SETTLE_SECONDS)
            counts = json.loads(hostile.communicate(timeout=60)[0] or "{}")
    kinds = (LISTS, PHOTOS)
    return Outcome(
        lasted,
        load,
        platform.small_disk,
        faults.counts,
        counts,
        judge(platform, honest),
        {kind: Latency.of(undisturbed(honest.samples, [], kind)) for kind in kinds},
        {kind: Latency.of(undisturbed(honest.samples, faults.windows, kind)) for kind in kinds},
    )
