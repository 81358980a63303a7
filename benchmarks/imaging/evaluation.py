"""What is found, missed, invented and still seen, on photos with known faces; no time is measured against anything."""

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.progress import track

from benchmarks.imaging.matching import TINY, Score, wilson
from benchmarks.imaging.photos import Sample
from benchmarks.imaging.pipelines import Pipeline
from benchmarks.imaging.redetection import OWN_SIDES, SECOND_SIDES, still_seen
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.yunet import YuNet

PEER_MEGAPIXELS: Final = 13.0
"""deface takes 12 GB for a photo of 50 megapixels: it is left out of larger ones."""


@dataclass(slots=True)
class Row:
    """What one pipeline did on all photos."""

    score: Score = field(default_factory=Score)
    treated: int = 0
    per_megapixel: list[float] = field(default_factory=list)
    bytes_ratio: list[float] = field(default_factory=list)
    seen_own: int = 0
    seen_second: int = 0


@dataclass(frozen=True, slots=True)
class Judges:
    """The detectors that look for faces in results, and the threshold of our own."""

    own: Detector
    threshold: float
    second: Detector | None


def judges(threshold: float, second: Detector | None) -> Judges:
    return Judges(YuNet(), threshold, second)


def evaluate(
    samples: Iterable[Sample], pipelines: dict[str, Pipeline], judging: Judges, total: int | None = None
) -> dict[str, Row]:
    """Run every pipeline on every photo, one after the other."""
    rows = {name: Row() for name in pipelines}
    console = Console(stderr=True)
    for sample in track(samples, "photos", total=total, console=console, disable=not console.is_terminal):
        for name, pipeline in pipelines.items():
            if name != "deface" or sample.megapixels <= PEER_MEGAPIXELS:
                _add(rows[name], sample, pipeline, judging)
    return rows


def _add(row: Row, sample: Sample, pipeline: Pipeline, judging: Judges) -> None:
    started = time.perf_counter()
    result = pipeline(sample.data)
    milliseconds = (time.perf_counter() - started) * 1000
    row.score.add(sample, result.boxes, result.areas)
    row.treated += len(result.boxes)
    row.per_megapixel.append(milliseconds / sample.megapixels)
    row.bytes_ratio.append(len(result.data) / len(sample.data))
    row.seen_own += still_seen(result.data, result.boxes, judging.own, judging.threshold, OWN_SIDES)
    if judging.second is not None:
        row.seen_second += still_seen(result.data, result.boxes, judging.second, judging.second.threshold, SECOND_SIDES)


def print_rows(title: str, rows: dict[str, Row]) -> None:
    """Print the table. `still seen` are shares of the treated boxes."""
    print(f"\n{title}")
    print(
        "pipeline  photos faces recall (95 %)          precision  hidden  false/photo"
        "  still seen: own / 2nd family  ms/MP  bytes"
    )
    for name, row in rows.items():
        score, treated = row.score, max(1, row.treated)
        low, high = wilson(score.found, score.faces)
        print(
            f"{name:<9} {score.photos:6} {score.faces:5} {score.recall:6.3f} ({low:.3f}-{high:.3f})"
            f" {score.precision:12.3f} {score.hidden / max(1, score.faces):7.3f}"
            f" {score.false / max(1, score.photos):12.2f}"
            f"  {row.seen_own:5} {row.seen_own / treated:6.1%} / {row.seen_second:4} {row.seen_second / treated:6.1%}"
            f" {statistics.median(row.per_megapixel):10.1f} {statistics.median(row.bytes_ratio):6.2f}"
        )


def print_classes(rows: dict[str, Row]) -> None:
    """Print recall by the height of the face; the first class is not part of the table above."""
    names = sorted({name for row in rows.values() for name in row.score.by_class}, key=_order)
    print(f"\nrecall by height of the face\n{'':<24}{''.join(f'{name:>20}' for name in rows)}")
    for name in names:
        cells = [f"{row.score.found_by_class[name]:8}/{row.score.by_class[name]}" for row in rows.values()]
        shares = [f"{row.score.found_by_class[name] / max(1, row.score.by_class[name]):7.3f}" for row in rows.values()]
        print(f"{name:<24}{''.join(f'{share + cell:>20}' for share, cell in zip(shares, cells, strict=True))}")


def _order(name: str) -> int:
    return 0 if name == TINY else int(name.partition("-")[0]) + 1
