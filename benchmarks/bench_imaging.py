"""Imaging beside deface and beside what most apps do, on the same photos, interleaved.

Needs the public photos in ../shared/images; `make bench-imaging` prepares the second detector and deface, without them
those columns are left out. What is measured, as a worker does it with its default settings:

  crowded      labelled photos as they are: recall, precision, what is still seen
  collages     photos made of known faces of the held half, 16-1,600 pixels, up to 50 megapixels: the same
  faceless     photos without people: boxes that should not be
  scale        faces of 20 to 120 pixels in photos of 12 to 48 megapixels and panoramas: recall of every cell, precision
  identity     who is it? rank-1 of a recogniser and of pixels: originals, treated alike, inside the cover, rebuilt
  exact        for every JPEG: pixels that differ outside the treated areas
  time         12-megapixel JPEGs in a warm engine, beside libjpeg-turbo's decode and encode, and the peers
  throughput   two engines beside one
  box          an engine in its box beside one without: photos a second, and CPU time
  start        from nothing to the first answer
  memory       peak of an engine by megapixels and format
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.imaging import engines, exactness, identity, memory, pictures, scale, sheet, starting
from benchmarks.imaging.centerface import CenterFace
from benchmarks.imaging.collages import collages
from benchmarks.imaging.evaluation import Judges, Row, evaluate, judges, print_classes, print_rows
from benchmarks.imaging.photos import HALVES, PHOTOS, ROOT, crowds, faceless, print_split
from benchmarks.imaging.pipelines import Deface, Ours, Pipeline, Simple, worker_settings
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.errors import DetectorUnavailable

EVALUATION: Final = ("crowded", "collages", "faceless", "scale", "identity", "exact")
TIMING: Final = ("time", "throughput", "box", "start", "memory")


def main() -> None:
    """Measure and print."""
    options = _parser().parse_args()
    if not PHOTOS.is_dir():
        print("The public photos (../shared/images) are not here: nothing to measure.")
        return
    chosen = _chosen(options.sections)
    cv2.setNumThreads(1)
    print_split()
    with tempfile.TemporaryDirectory() as folder:
        pipelines: dict[str, Pipeline] = {"ours": Ours(options.threshold)}
        peer = None
        if not options.no_peers:
            peer = _deface(options.deface, Path(folder))
            pipelines |= {"simple": Simple()} | ({"deface": peer} if peer else {})
        actions = _actions(options, pipelines)
        results = {section: actions[section]() for section in chosen}
        if options.pictures:
            _draw(results)
        if peer is not None:
            print(f"\ndeface's peak memory: {peer.peak} MiB" if peer.peak else "", end="\n")
            peer.close()


def _actions(options: argparse.Namespace, pipelines: dict[str, Pipeline]) -> dict[str, Callable[[], Any]]:
    judging = judges(options.threshold or worker_settings().min_confidence, _second())
    return {
        "crowded": lambda: _crowded(pipelines, judging),
        "collages": lambda: _collages(options, pipelines, judging),
        "faceless": lambda: _faceless(options, pipelines, judging),
        "identity": identity.run,
        "scale": lambda: scale.run(options.half),
        "exact": exactness.run,
        "time": lambda: engines.run_time(pipelines, options.rounds),
        "throughput": lambda: engines.run_throughput(options.rounds),
        "box": lambda: engines.run_box(options.rounds),
        "start": lambda: starting.run(options.rounds),
        "memory": memory.run,
    }


def _crowded(pipelines: dict[str, Pipeline], judging: Judges) -> None:
    for half in HALVES:
        print_rows(f"crowded photos, {half} half", evaluate(list(crowds(half)), pipelines, judging))


def _draw(results: dict[str, Any]) -> None:
    """Draw the documentation's pictures; the plot needs the sections `collages` and `time`."""
    pictures.before_and_after()
    sheet.draw()
    rows, times = results.get("collages"), results.get("time")
    if rows and times:
        pictures.plot(
            [
                pictures.Point(name, row.score.recall, times[name], row.seen_own / max(1, row.treated))
                for name, row in rows.items()
            ]
        )


def _collages(options: argparse.Namespace, pipelines: dict[str, Pipeline], judging: Judges) -> dict[str, Row]:
    samples = collages(options.half, options.collages, None if options.collages else options.faces)
    rows = evaluate(samples, pipelines, judging)
    print_rows(f"collages, {options.half} half", rows)
    print_classes(rows)
    return rows


def _faceless(options: argparse.Namespace, pipelines: dict[str, Pipeline], judging: Judges) -> None:
    print_rows(
        f"photos without people (some with dogs), {options.half} half",
        evaluate(list(faceless(options.half)), pipelines, judging),
    )


def _deface(python: Path, folder: Path) -> Deface | None:
    if python.exists():
        return Deface(python, folder)
    print(f"Left out: deface ({python} is not there; `make bench-imaging` makes it).")
    return None


def _second() -> Detector | None:
    try:
        return CenterFace()
    except DetectorUnavailable as error:
        print(f"Left out: re-detection by a second family. {error}")
        return None


def _chosen(sections: list[str]) -> list[str]:
    groups = {"evaluation": EVALUATION, "timing": TIMING}
    return [part for name in sections or ["evaluation", "timing"] for part in groups.get(name, (name,))]


def _one_of(known: list[str]) -> Callable[[str], str]:
    def section(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"no section {text!r}; there are {', '.join(known)}")
        return text

    return section


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*EVALUATION, *TIMING, "evaluation", "timing"]
    parser.add_argument(
        "sections", nargs="*", type=_one_of(known), help="some of the above, `evaluation` or `timing`; default all"
    )
    parser.add_argument("--half", choices=HALVES, default="held", help="whose faces and backgrounds")
    parser.add_argument("--faces", type=int, default=1000, help="collages are made until they have so many faces")
    parser.add_argument("--collages", type=int, help="so many collages, however many faces they have")
    parser.add_argument("--threshold", type=float, help="instead of the worker's, for tuning")
    parser.add_argument("--rounds", type=int, default=9, help="repetitions of what is timed")
    parser.add_argument("--no-peers", action="store_true", help="only ours")
    parser.add_argument("--pictures", action="store_true", help="draw the pictures of docs/imaging.md again")
    parser.add_argument("--deface", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    return parser


if __name__ == "__main__":
    main()
