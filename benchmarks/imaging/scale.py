"""Recall of every cell of height and photo size, and precision over all, of the search that `blur` runs."""

import json
import tempfile
from pathlib import Path

from benchmarks.imaging.matching import SAME, TOUCHES, overlap
from benchmarks.imaging.planted import HEIGHTS, SIZES, photos
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.inspect import MEGA, Limits
from loppestars_imaging.options import Options
from loppestars_imaging.pipeline import Anonymiser


def run(half: str, sizes: tuple[str, ...] = tuple(SIZES)) -> None:
    """Print a table, and write it as JSON to the temporary folder."""
    anonymiser = Anonymiser(YuNet(), limits=Limits(60 * MEGA))
    cells: dict[str, dict[int, tuple[int, int]]] = {}
    false = found = 0
    print(
        f"\nfaces of one height in photos of one size, {half} half: recall\n{'':<18}"
        + "".join(f"{h:>8}" for h in HEIGHTS)
    )
    for size in sizes:
        cells[size] = {}
        for height, sample in zip(HEIGHTS, photos(half, (size,)), strict=True):
            faces = anonymiser.anonymise(sample.data, Options()).faces
            hits = sum(any(overlap(face.box, truth) >= SAME for face in faces) for truth in sample.faces)
            false += sum(not any(overlap(face.box, truth) > TOUCHES for truth in sample.faces) for face in faces)
            found += hits
            cells[size][height] = hits, len(sample.faces)
        print(f"{size:<18}" + "".join(f"{hits / count:8.3f}" for hits, count in cells[size].values()), flush=True)
    print(f"precision {found / max(1, found + false):.3f} ({false} boxes where no face was planted)")
    Path(tempfile.gettempdir(), f"imaging-scale-{half}.json").write_text(json.dumps(cells), encoding="utf-8")
